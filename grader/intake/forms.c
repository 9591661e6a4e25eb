/* forms.c - the names that learning platforms give: whose is an entry, and of when? */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "intake/forms.h"
#include "intake/parts.h"
#include "lib/command.h"
#include "lib/when.h"

#define GROUPS 8

/* What the pieces of a platform's name are; 0: it has none. */
struct form {
    const char *name, *pattern;
    int student, id, attempt, late, when, rest; /* numbers of the pattern's groups */
};

static const struct form forms[] = {
    {"moodle", "^(.+)_([0-9]+)_assignsubmission_(file|onlinetext)_?(.*)$", 1, 2, 0, 0, 0,
     4},
    {"blackboard",
     "^(.+)_([^_]+)_attempt_([0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9]{2}-[0-9]{2}-[0-9]{2})"
     "([_.].+)?$",
     0, 2, 3, 0, 3, 4},
    {"canvas", "^([^_]+)_(LATE_)?([0-9]+)_([0-9]+)_(.+)$", 1, 3, 4, 2, 0, 5},
};

static char *text_cut(const char *text, regmatch_t m)
{
    if (m.rm_so < 0)
        return strdup("");
    return strndup(text + m.rm_so, (size_t)(m.rm_eo - m.rm_so));
}

/* "2027-01-31-14-35-02", local time */
static time_t stamp_parse(const char *text)
{
    struct tm tm = {.tm_isdst = -1};
    const char *end = strptime(text, "%Y-%m-%d-%H-%M-%S", &tm);

    return end && !*end ? mktime(&tm) : 0;
}

static bool form_match(const struct form *form, const char *name, regmatch_t m[GROUPS])
{
    regex_t regex;
    bool match;

    if (regcomp(&regex, form->pattern, REG_EXTENDED) != 0)
        return false;
    match = regexec(&regex, name, GROUPS, m, 0) == 0;
    regfree(&regex);
    return match;
}

/* "lastname_firstname" is how one is to be shown. */
static void underscores_open(char *name)
{
    for (char *c = name; *c; c++)
        if (*c == '_')
            *c = ' ';
}

bool name_parse(const char *name, struct handin *handin, char **rest)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        const struct form *f = &forms[i];
        regmatch_t m[GROUPS];
        char *stamp;

        if (!form_match(f, name, m))
            continue;
        stamp = f->when ? text_cut(name, m[f->when]) : strdup("");
        *handin = (struct handin){
            .form = f->name,
            .id = text_cut(name, m[f->id]),
            .name = f->student ? text_cut(name, m[f->student]) : strdup(""),
            .attempt = f->attempt ? text_cut(name, m[f->attempt]) : strdup(""),
            .email = strdup(""),
            .late = f->late && m[f->late].rm_so >= 0,
            .when = stamp_parse(stamp),
        };
        handin->when_from = handin->when ? "its name" : NULL;
        underscores_open(handin->name);
        *rest = text_cut(name, m[f->rest]);
        free(stamp);
        return true;
    }
    return false;
}

/* --- GitHub Classroom ------------------------------------------------------------------------- */

bool checkout_is(const char *path)
{
    char git[PATH_ROOM];

    path_make(git, "%s/.git", path);
    return access(git, F_OK) == 0;
}

/* What all names begin with, up to a '-': "lab1-" of lab1-ada and lab1-grace. */
size_t prefix_common(char *const *names, size_t count)
{
    size_t length = count > 1 ? strlen(names[0]) : 0;

    for (size_t i = 1; i < count; i++) {
        size_t same = 0;

        while (same < length && names[i][same] == names[0][same])
            same++;
        length = same;
    }
    while (length > 0 && names[0][length - 1] != '-')
        length--;
    return length;
}

/* (In a cage: a checkout brings a configuration of its own, which may name programs to be run.) */
time_t checkout_time(const char *path)
{
    char *output = NULL, *repository = realpath(path, NULL);
    /* clang-format off */
    char *argv[] = {"prlimit", "--cpu=10", "--as=2000000000", "--",
                    "bwrap", "--unshare-all", "--die-with-parent", "--cap-drop", "ALL",
                    "--clearenv", "--setenv", "PATH", "/usr/bin:/bin",
                    "--ro-bind", "/usr", "/usr", "--ro-bind-try", "/lib", "/lib",
                    "--ro-bind-try", "/lib64", "/lib64", "--ro-bind-try", "/bin", "/bin",
                    "--dev", "/dev", "--tmpfs", "/tmp",
                    "--ro-bind", repository, "/checkout", "--chdir", "/checkout", "--",
                    "git", "-c", "safe.directory=*", "-c", "log.showSignature=false",
                    "log", "-1", "--format=%ct", NULL};
    /* clang-format on */
    time_t when = 0;

    if (repository && program_there("git") && command_run(argv, &output, 20) == 0)
        when = (time_t)strtoll(output, NULL, 10);
    free(output);
    free(repository);
    return when;
}

/* --- Gradescope ------------------------------------------------------------------------------- */

/* The value behind "key:" in a line of the metadata, without quotes; NULL: another line. */
static char *yaml_value(const char *line, const char *key)
{
    const char *at = line + strspn(line, " -");
    size_t length = strlen(key), n;

    if (strncmp(at, key, length) != 0)
        return NULL;
    at += length;
    at += strspn(at, " ");
    n = strcspn(at, "\n");
    if (n >= 2 && (*at == '\'' || *at == '"')) {
        at++;
        n -= 2;
    }
    return strndup(at, n);
}

static void value_set(char **value, char *fresh)
{
    if (fresh) {
        free(*value);
        *value = fresh;
    }
}

/* The lines of one submission: up to the next that begins at the left. */
static const char *section_find(const char *text, const char *name)
{
    char head[80];
    const char *at;

    snprintf(head, sizeof head, "\n%.70s:", name);
    at = strstr(text, head);
    return at ? strchr(at + 1, '\n') : NULL;
}

size_t gradescope_read(const char *text, const char *name, struct handin *list, size_t room)
{
    const char *line = section_find(text, name);
    size_t count = 0;
    time_t when = 0;

    while (line && (line[1] == ' ' || line[1] == '-')) {
        char *person = yaml_value(++line, ":name:"), *value;

        if (person && count < room)
            list[count++] = (struct handin){.form = "gradescope",
                                            .id = strdup(""),
                                            .name = strdup(person),
                                            .email = strdup(""),
                                            .attempt = strdup("")};
        free(person);
        if (count > 0) {
            value_set(&list[count - 1].id, yaml_value(line, ":sid:"));
            value_set(&list[count - 1].email, yaml_value(line, ":email:"));
        }
        value = yaml_value(line, ":created_at:");
        if (value)
            when_parse(value, &when);
        free(value);
        line = strchr(line, '\n');
    }
    for (size_t i = 0; i < count; i++) {
        list[i].when = when;
        list[i].when_from = when ? "the platform's metadata" : NULL;
    }
    return count;
}
