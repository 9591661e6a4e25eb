/* roster.c - who takes part. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "intake/roster.h"
#include "judge/text.h"

#define ROSTER_BYTES (16u << 20)
#define NAME_MAX_    200

/* Which column has one of these names (NULL ends them)? -1: none. */
static int column_find(const struct csv_row *head, const char *const *names)
{
    for (; *names; names++)
        for (size_t i = 0; i < head->count; i++)
            if (strcasecmp(head->fields[i], *names) == 0)
                return (int)i;
    return -1;
}

static const char *field(const struct csv_row *row, int column)
{
    return column >= 0 && (size_t)column < row->count ? row->fields[column] : "";
}

static void rows_take(struct roster *r)
{
    const struct csv_row *head = &r->csv.rows[0];
    int id = column_find(head, (const char *const[]){"id", "student id", "sid", NULL}),
        name = column_find(head, (const char *const[]){"name", "full name", NULL}),
        email = column_find(
            head, (const char *const[]){"email", "e-mail", "email address", NULL}),
        group = column_find(head, (const char *const[]){"group", "section", NULL}),
        login =
            column_find(head, (const char *const[]){"login", "github", "github_username",
                                                    "username", NULL});

    for (size_t i = 1; i < r->csv.count; i++) {
        struct csv_row *row = &r->csv.rows[i];

        for (size_t n = 0; n < row->count; n++)
            text_clean(row->fields[n]);
        r->list[r->count++] = (struct person){.id = field(row, id),
                                              .name = field(row, name),
                                              .email = field(row, email),
                                              .group = field(row, group),
                                              .login = field(row, login)};
    }
}

static bool ids_right(const struct roster *r, const char *path)
{
    for (size_t i = 0; i < r->count; i++) {
        if (!r->list[i].id[0]) {
            fprintf(stderr, "grader: ROSTER=%s: row %zu has no id\n", path, i + 2);
            return false;
        }
        for (size_t n = 0; n < i; n++)
            if (strcmp(r->list[i].id, r->list[n].id) == 0) {
                fprintf(stderr, "grader: ROSTER=%s: two students have the id %s\n", path,
                        r->list[i].id);
                return false;
            }
    }
    return true;
}

bool roster_load(struct roster *r, const char *path)
{
    char *text = file_read(path, ROSTER_BYTES, NULL);

    *r = (struct roster){.list = NULL};
    if (!text) {
        fprintf(stderr, "grader: ROSTER=%s cannot be read: %s\n", path, strerror(errno));
        return false;
    }
    r->csv = csv_parse(text);
    free(text);
    if (r->csv.count == 0 ||
        column_find(&r->csv.rows[0],
                    (const char *const[]){"id", "student id", "sid", NULL}) < 0) {
        fprintf(stderr,
                "grader: ROSTER=%s has no column \"id\" (its first line names the columns: "
                "id,name,email,group)\n",
                path);
        return false;
    }
    r->list = calloc(r->csv.count, sizeof *r->list);
    if (!r->list)
        return false;
    rows_take(r);
    return ids_right(r, path);
}

void roster_free(struct roster *r)
{
    csv_free(&r->csv);
    free(r->list);
    *r = (struct roster){.list = NULL};
}

/* Small letters and digits only (and what is not ASCII, as it is). */
static void name_reduce(const char *name, size_t length, char *to)
{
    size_t n = strlen(to);

    for (size_t i = 0; i < length && n < NAME_MAX_ - 1; i++)
        if (isalnum((unsigned char)name[i]) || (name[i] & 0x80))
            to[n++] = (char)tolower((unsigned char)name[i]);
    to[n] = 0;
}

/* Does a name say the same, perhaps with the last (or first) word at the other end, as platforms
 * turn "Ada Lovelace" to "Lovelace Ada" and "lovelaceada"? */
static bool name_fits(const char *listed, const char *given)
{
    char wanted[NAME_MAX_] = "", plain[NAME_MAX_] = "";
    size_t length = strlen(listed);

    name_reduce(given, strlen(given), wanted);
    name_reduce(listed, length, plain);
    if (!wanted[0] || strcmp(wanted, plain) == 0)
        return wanted[0] != 0;
    for (size_t i = 1; i + 1 < length; i++) {
        char turned[NAME_MAX_] = "";

        if (listed[i] != ' ' && listed[i] != ',')
            continue;
        name_reduce(listed + i + 1, length - i - 1, turned);
        name_reduce(listed, i, turned);
        if (strcmp(wanted, turned) == 0)
            return true;
    }
    return false;
}

static bool account_fits(const struct person *p, const struct handin *h)
{
    size_t local = strcspn(p->email, "@");
    bool has_email = p->email[0] != 0;

    if (strcmp(h->form, "moodle") == 0)
        return false; /* its numbers are Moodle's own, whatever they look like */
    return strcmp(p->id, h->id) == 0 || (p->login[0] && strcasecmp(p->login, h->id) == 0) ||
           (has_email &&
            (strcasecmp(p->email, h->id) == 0 ||
             (h->email[0] && strcasecmp(p->email, h->email) == 0) ||
             (strlen(h->id) == local && strncasecmp(p->email, h->id, local) == 0)));
}

int roster_find(const struct roster *r, const struct handin *h)
{
    int found = ROSTER_NOBODY;

    for (size_t i = 0; i < r->count; i++)
        if (account_fits(&r->list[i], h))
            return (int)i;
    for (size_t i = 0; i < r->count; i++)
        if (name_fits(r->list[i].name, h->name[0] ? h->name : h->id))
            found = found == ROSTER_NOBODY ? (int)i : ROSTER_SEVERAL;
    return found;
}
