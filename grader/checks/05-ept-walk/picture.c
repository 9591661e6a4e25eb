/* picture.c - a picture of some walks, for `make trace` (grader/pages/walk.html). */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>

#include "checks.h"

/* Where a reference belongs in the grid of walk.html. */
struct spot {
    uint64_t hpa, gpa;
    int column, row;
};

/* All that a walk without caches reads, in its order: at most 24. Returns how many. */
static unsigned spots_make(struct guest *g, uint64_t gva, struct spot spots[24])
{
    unsigned n = 0;

    for (int column = 0; column < 5; column++) {
        const uint64_t hpa = column < 4 ? guest_entry(g, gva, 4 - column) : 0;
        const uint64_t gpa =
            column < 4 ? g->tables + (hpa - HPA_BASE)
                       : (*image_word(g->image, guest_entry(g, gva, 1)) & EPT_ADDRESS) +
                             gva % KIB4;

        for (int level = 4; level >= 1; level--)
            spots[n++] = (struct spot){ept_entry(g->image, g->root, gpa, level), gpa,
                                       column, 4 - level};
        if (column < 4)
            spots[n++] = (struct spot){hpa, gpa, column, 4};
    }
    return n;
}

static void number_add(cJSON *object, const char *name, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%#" PRIx64, value);
    cJSON_AddStringToObject(object, name, text);
}

static void reference_add(cJSON *list, struct guest *g, const struct spot *spot)
{
    const uint64_t entry = *image_word(g->image, spot->hpa);
    cJSON *reference = cJSON_CreateObject();
    char rights[] = "---";

    for (int i = 0; spot->row < 4 && i < 3; i++)
        if (entry >> i & 1)
            rights[i] = "rwx"[i];
    cJSON_AddNumberToObject(reference, "column", spot->column);
    cJSON_AddNumberToObject(reference, "row", spot->row);
    number_add(reference, "hpa", spot->hpa);
    number_add(reference, "entry", entry);
    number_add(reference, "gpa", spot->gpa);
    cJSON_AddStringToObject(reference, "rights", spot->row < 4 ? rights : "");
    cJSON_AddItemToArray(list, reference);
}

/* A read that is none of the walk's. */
static void stray_add(cJSON *list, uint64_t hpa)
{
    cJSON *reference = cJSON_CreateObject();

    cJSON_AddNumberToObject(reference, "column", -1);
    cJSON_AddNumberToObject(reference, "row", -1);
    number_add(reference, "hpa", hpa);
    for (const char *const *name = (const char *const[]){"entry", "gpa", "rights", NULL};
         *name; name++)
        cJSON_AddStringToObject(reference, *name, "");
    cJSON_AddItemToArray(list, reference);
}

/* One walk: what the part read, each read beside the spot of the grid that it is. */
static cJSON *walk_view(struct guest *g, const char *title, uint64_t gva,
                        const struct lab05_result *r)
{
    const struct script *s = g->image->s;
    cJSON *walk = cJSON_CreateObject(), *list;
    struct spot spots[24];
    unsigned count = spots_make(g, gva, spots), at = 0;
    char outcome[200];

    cJSON_AddStringToObject(walk, "title", title);
    number_add(walk, "gva", gva);
    cJSON_AddStringToObject(walk, "access", "read");
    result_describe(LAB05_NESTED, r, outcome, sizeof outcome);
    cJSON_AddStringToObject(walk, "outcome", outcome);
    list = cJSON_AddArrayToObject(walk, "references");
    for (uint32_t i = r->log_at; i < r->log_at + r->reads && i < s->out.log_count; i++) {
        unsigned next = at;

        while (next < count && spots[next].hpa != s->out.log[i])
            next++;
        if (next < count)
            reference_add(list, g, &spots[next]);
        else
            stray_add(list, s->out.log[i]);
        at = next < count ? next + 1 : at;
    }
    return walk;
}

/* The picture's number of the first of these walks' references that is not the one due; 0: they
 * all are. */
static size_t stray_find(const struct script *s, uint32_t first, uint32_t walks)
{
    size_t before = 0;

    for (uint32_t i = first; i < first + walks; i++) {
        const struct lab05_result *got = &s->out.results[i];
        const struct want *want = &s->wants[i];

        for (uint32_t n = 0; n < got->reads && got->log_at + n < s->out.log_count; n++)
            if (n >= want->ref_count ||
                s->out.log[got->log_at + n] != s->refs[want->ref_at + n].hpa)
                return before + n + 1;
        if (got->reads < want->ref_count)
            return before + got->reads;
        before += got->reads;
    }
    return 0;
}

/* Cold, then with what the caches have learnt. The picture is there before it is judged: one wants
 * to see the walk that is wrong. */
void walks_view(struct judge *judge)
{
    static const struct {
        const char *title;
        uint64_t distance;
        bool cached;
    } walks[] = {{"without caches", 0, false},     {"with caches, all empty", 0, true},
                 {"the same page again", 8, true}, {"the next page", KIB4, true},
                 {"2 MiB further on", MIB2, true}, {"back to the first page", 0, true}};
    struct script *s = script_new(judge, 32, 0);
    struct image *image = image_new(s);
    struct guest g = guest_new(image, image_page(image), 1);
    const uint64_t base = (random_gva(judge) & ~(GIB1 - 1)) | 0x123000, memory = 1ull << 45;
    cJSON *view = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(view, "walks");
    struct model *m;
    char *text;

    for (unsigned i = 0; i < sizeof walks / sizeof walks[0]; i++) {
        const uint64_t page = walks[i].distance / KIB4 * KIB4;

        guest_leaf(&g, base + page, memory + page, 1, GUEST_WRITABLE);
        ept_leaf(image, g.root, memory + page, memory / 2 + page, 1, RWX | 6 << 3);
    }
    m = model_start(image, &g, 1);
    const uint32_t first = s->in.op_count;

    for (unsigned i = 0; i < sizeof walks / sizeof walks[0]; i++)
        nested_put(m, 0, base + walks[i].distance, EPT_READ, walks[i].cached,
                   "a walk reads what no cache knows, and nothing else");
    script_run(s);
    for (unsigned i = 0; i < sizeof walks / sizeof walks[0]; i++)
        cJSON_AddItemToArray(list, walk_view(&g, walks[i].title, base + walks[i].distance,
                                             &s->out.results[first + i]));
    text = cJSON_PrintUnformatted(view);
    s->pictured = text != NULL;
    if (text)
        judge_view(judge, "walk", text);
    cJSON_free(text);
    cJSON_Delete(view);
    judge_points_at(judge, "walk", stray_find(s, first, sizeof walks / sizeof walks[0]));
    model_compare(m, "without access_dirty, a walk writes nothing");
    judge_points_at(judge, "", 0); /* what follows is not in the picture */
}
