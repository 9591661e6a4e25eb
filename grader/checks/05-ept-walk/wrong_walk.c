/* wrong_walk.c - a picture of a walk that is wrong, for `make trace` (grader/pages/walk.html): what
 * it read, what was due, and what came before it as far as the caches may remember. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "checks.h"

#define BEFORE_MAX  8 /* operations before the walk */
#define PAGE_COLUMN 4
#define GUEST_ROW   4

static void number_add(cJSON *object, const char *name, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%#" PRIx64, value);
    cJSON_AddStringToObject(object, name, text);
}

static bool is_walk(const struct lab05_op *op)
{
    return op->kind == LAB05_WALK || op->kind == LAB05_NESTED;
}

/* "the guest's PD entry" -> 2, the level; 0: it is one of the EPT's. */
static int level_of(const char *label, const char *whose)
{
    static const char *const tables[] = {"", "PT ", "PD ", "PDPT ", "PML4 "};
    const size_t length = strlen(whose);

    if (strncmp(label, whose, length) != 0)
        return 0;
    for (int level = 1; level <= 4; level++)
        if (strncmp(label + length, tables[level], strlen(tables[level])) == 0)
            return level;
    return 0;
}

static int guest_level(const struct ref *ref)
{
    return level_of(ref->label, "the guest's ");
}

/* The column of the n-th reference that is due: of the guest's entry that it leads to. What leads
 * to none is about the page, or the walk ended on the way to the next entry. */
static int column_of(const struct script *s, uint32_t i, uint32_t n)
{
    const struct want *want = &s->wants[i];
    const struct ref *refs = &s->refs[want->ref_at];
    const bool page = want->r.value == EPT_TRANSLATED || want->r.qualification & 0x100;
    int before = -1;

    if (s->ops[i].kind == LAB05_WALK)
        return PAGE_COLUMN;
    for (uint32_t k = n; k < want->ref_count; k++)
        if (guest_level(&refs[k]))
            return 4 - guest_level(&refs[k]);
    for (uint32_t k = 0; k < n; k++)
        if (guest_level(&refs[k]))
            before = 4 - guest_level(&refs[k]);
    return page ? PAGE_COLUMN : before + 1;
}

/* What stood there when the run was over. */
static void entry_add(cJSON *reference, const struct script *s, uint64_t hpa, bool of_ept)
{
    const uint64_t at = (hpa - s->in.memory_hpa) / 8;
    char rights[4] = "";

    if (hpa < s->in.memory_hpa || at >= s->in.memory_pages * 512ull) {
        cJSON_AddStringToObject(reference, "entry", "");
    } else {
        number_add(reference, "entry", s->out.memory[at / 512][at % 512]);
        if (of_ept)
            rights_describe(s->out.memory[at / 512][at % 512], rights);
    }
    cJSON_AddStringToObject(reference, "rights", rights);
    cJSON_AddStringToObject(reference, "gpa", "");
}

/* The n-th reference of a walk: read (NULL: it was not made), beside the one that was due (NULL:
 * none was). False: they differ. */
static bool reference_add(cJSON *list, const struct script *s, uint32_t i, uint32_t n,
                          const uint64_t *read, const struct ref *due)
{
    cJSON *reference = cJSON_CreateObject();
    const bool right = read && due && *read == due->hpa;
    const uint64_t hpa = read ? *read : due->hpa;
    char text[80];

    cJSON_AddNumberToObject(reference, "column", right || !read ? column_of(s, i, n) : -1);
    cJSON_AddNumberToObject(reference, "row",
                            !right && read     ? -1
                            : guest_level(due) ? GUEST_ROW
                                               : 4 - level_of(due->label, "the EPT's "));
    number_add(reference, "hpa", hpa);
    entry_add(reference, s, hpa, right && !guest_level(due));
    if (!read)
        cJSON_AddBoolToObject(reference, "missing", true);
    if (!right && due) {
        snprintf(text, sizeof text, "%#" PRIx64 ", %.40s", due->hpa, due->label);
        cJSON_AddStringToObject(reference, "due", text);
    } else if (!right) {
        cJSON_AddStringToObject(reference, "due", "none: the walk has ended");
    }
    cJSON_AddItemToArray(list, reference);
    return right;
}

/* All references of a walk. Returns the number of the first that is wrong; 0: none is. */
static uint32_t references_add(cJSON *list, const struct script *s, uint32_t i)
{
    const struct want *want = &s->wants[i];
    const struct lab05_result *got = &s->out.results[i];
    uint32_t wrong = 0;

    for (uint32_t n = 0; n < got->reads || n < want->ref_count; n++) {
        const uint64_t at = got->log_at + (uint64_t)n;
        const bool logged = n < got->reads && at < s->out.log_count;
        const struct ref *due = n < want->ref_count && want->ref_at + n < LAB05_LOG
                                    ? &s->refs[want->ref_at + n]
                                    : NULL;

        if (!logged && !due)
            break;
        if (!reference_add(list, s, i, n, logged ? &s->out.log[at] : NULL, due) && !wrong)
            wrong = n + 1;
    }
    return wrong;
}

/* Operations that are no walk, but what a walk after them may go wrong by. */
static void other_describe(const struct lab05_op *op, char *buffer, size_t size)
{
    if (op->kind == LAB05_INVLPG)
        snprintf(buffer, size, "INVLPG of gva %#" PRIx64, op->gpa);
    else if (op->kind == LAB05_LOAD_CR3)
        snprintf(buffer, size, "MOV to CR3: %#" PRIx64, op->gpa);
    else if (op->kind == LAB05_POKE)
        snprintf(buffer, size, "the entry at hpa %#" PRIx64 " becomes %#" PRIx64, op->hpa,
                 op->size);
    else
        op_describe(op, buffer, size);
}

static uint32_t operation_add(cJSON *walks, const struct script *s, uint32_t i)
{
    const struct lab05_op *op = &s->ops[i];
    cJSON *walk = cJSON_CreateObject(), *list;
    char text[200];

    other_describe(op, text, sizeof text);
    cJSON_AddStringToObject(walk, "title", text);
    number_add(walk, "gva", op->gpa);
    cJSON_AddStringToObject(walk, "access", "");
    result_describe(op->kind, &s->out.results[i], text, sizeof text);
    cJSON_AddStringToObject(walk, "outcome", is_walk(op) ? text : "done");
    result_describe(op->kind, &s->wants[i].r, text, sizeof text);
    cJSON_AddStringToObject(walk, "due", is_walk(op) ? text : "");
    list = cJSON_AddArrayToObject(walk, "references");
    cJSON_AddItemToArray(walks, walk);
    return is_walk(op) ? references_add(list, s, i) : 0;
}

void wrong_walk_keep(const struct script *s, uint32_t i)
{
    cJSON *view = cJSON_CreateObject(), *walks = cJSON_AddArrayToObject(view, "walks"),
          *walk;
    const uint32_t room =
        s->ops[i].cached ? BEFORE_MAX : 0; /* nothing else is remembered */
    size_t number = 0;
    uint32_t wrong = 0;
    char *text;

    for (uint32_t k = i > room ? i - room : 0; k <= i; k++)
        wrong = operation_add(walks, s, k);
    cJSON_ArrayForEach(walk, walks)
    {
        number += (size_t)cJSON_GetArraySize(cJSON_GetObjectItem(walk, "references"));
        if (!walk->next && wrong)
            number -=
                (size_t)cJSON_GetArraySize(cJSON_GetObjectItem(walk, "references")) - wrong;
    }
    text = cJSON_PrintUnformatted(view);
    if (text)
        judge_view(s->judge, "walk", text);
    cJSON_free(text);
    cJSON_Delete(view);
    judge_points_at(s->judge, "walk", number);
}
