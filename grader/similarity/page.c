/* page.c - where to look. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "lib/whole.h"
#include "report/feedback.h"
#include "report/record.h"
#include "similarity/similarity.h"

#define SHOWN_MAX 40 /* pairs of a lab that have a page of their own */
#define COLOURS   6

static int shown_count(const struct pairs *pairs)
{
    int n = 0;

    while (n < pairs->count &&
           (n < SHOWN_MAX / 4 || (pairs->list[n].percent >= LINE_PERCENT && n < SHOWN_MAX)))
        n++;
    return n;
}

static void pair_name(char name[80], const struct lab *lab, int number)
{
    snprintf(name, 80, "%s-%d.html", lab->name, number);
}

static void colours_write(FILE *out)
{
    fputs("<style>body{max-width:none}.two{display:grid;grid-template-columns:1fr "
          "1fr;gap:1rem}"
          "pre{border:0;padding:0;font-size:13px;overflow-wrap:anywhere}",
          out);
    for (int i = 0; i < COLOURS; i++)
        fprintf(out, ".r%d{background:hsl(%d 70%% 50%% / .22)}", i, i * 360 / COLOURS);
    fputs("</style>\n", out);
}

/* One of the two texts: lines in a run have the run's colour, the starter's are pale. */
static void text_show(FILE *out, const struct text *text, const struct runs *runs,
                      const struct pair *pair, bool second)
{
    fputs("<div><h2>", out);
    markup_text(out, text->who);
    fputs("</h2><pre>", out);
    for (int n = 0; n < text->line_count; n++) {
        int run = -1;

        for (int i = pair->first; i < pair->first + pair->count; i++) {
            const struct run *r = &runs->list[i];

            if (n >= (second ? r->b_first : r->a_first) &&
                n <= (second ? r->b_last : r->a_last))
                run = i - pair->first;
        }
        if (run >= 0 && text->own[n])
            fprintf(out, "<span class=\"r%d\" title=\"run %d\">", run % COLOURS, run + 1);
        else
            fprintf(out, "<span%s>", text->own[n] ? "" : " class=\"soft\"");
        fprintf(out, "%4d  ", n + 1);
        markup_text(out, text->lines[n]);
        fputs("</span>\n", out);
    }
    fputs("</pre></div>\n", out);
}

static bool pair_write(const char *folder, const struct lab_pairs *lp, int number)
{
    const struct pair *pair = &lp->pairs.list[number];
    const struct text *a = &lp->texts.list[pair->a], *b = &lp->texts.list[pair->b];
    char path[PATH_ROOM], fresh[PATH_ROOM], name[80], title[300];
    FILE *out;

    pair_name(name, lp->lab, number);
    path_make(path, "%s/%s", folder, name);
    out = whole_open(fresh, path);
    if (!out)
        return false;
    snprintf(title, sizeof title, "Lab %02d: %.100s and %.100s, %d %%", lp->lab->number,
             a->who, b->who, pair->percent);
    page_begin(out, title);
    colours_write(out);
    fputs("<p>Runs of the same colour have the same tokens in the same order; names, "
          "comments, numbers and layout may differ. Pale lines are the starter's or say "
          "nothing, and were not compared.</p><div class=\"two\">\n",
          out);
    text_show(out, a, &lp->runs, pair, false);
    text_show(out, b, &lp->runs, pair, true);
    fputs("</div>\n", out);
    page_end(out);
    return whole_close(out, fresh, path);
}

static void groups_write(FILE *out, const struct lab_pairs *lp)
{
    for (int group = 1; group <= lp->pairs.groups; group++) {
        fprintf(out, "<p>Group %d:", group);
        for (int i = 0; i < lp->texts.count; i++)
            if (lp->pairs.group[i] == group) {
                fputs(" <strong>", out);
                markup_text(out, lp->texts.list[i].who);
                fputs("</strong>", out);
            }
        fputs("</p>\n", out);
    }
}

static void pairs_write(FILE *out, const struct lab_pairs *lp)
{
    bool above = true;
    char name[80];

    fputs("<table><tr><th class=\"n\">alike</th><th>this one</th><th>and that one</th>"
          "<th class=\"n\">lines of both</th><th></th></tr>\n",
          out);
    for (int i = 0; i < shown_count(&lp->pairs); i++) {
        const struct pair *pair = &lp->pairs.list[i];

        if (above && pair->percent < LINE_PERCENT) {
            fprintf(
                out,
                "<tr><td colspan=\"5\" class=\"odd\">below the line of %d %%</td></tr>\n",
                LINE_PERCENT);
            above = false;
        }
        pair_name(name, lp->lab, i);
        fprintf(out, "<tr><td class=\"n\">%d %%</td><td>", pair->percent);
        markup_text(out, lp->texts.list[pair->a].who);
        fputs("</td><td>", out);
        markup_text(out, lp->texts.list[pair->b].who);
        fprintf(out,
                "</td><td class=\"n\">%d + %d</td><td><a href=\"%s\">both "
                "texts</a></td></tr>\n",
                pair->shared_a, pair->shared_b, name);
    }
    fputs("</table>\n", out);
}

static void lab_write(FILE *out, const struct lab_pairs *lp)
{
    int fresh = 0;

    for (int i = 0; i < lp->texts.count; i++)
        fresh += !lp->texts.list[i].old;
    fprintf(out, "<h2>Lab %02d, ", lp->lab->number);
    markup_text(out, json_text(lp->lab->declared, "title"));
    fprintf(
        out,
        "</h2>\n<p>%d submissions and %d texts of the corpus; %d pairs share a run.</p>\n",
        fresh, lp->texts.count - fresh, lp->pairs.count);
    groups_write(out, lp);
    if (lp->pairs.count > 0)
        pairs_write(out, lp);
}

bool similarity_page(const char *folder, const char *name, const struct lab_pairs *labs,
                     int count)
{
    char path[PATH_ROOM], fresh[PATH_ROOM], title[200];
    FILE *out;

    for (int i = 0; i < count; i++)
        for (int n = 0; n < shown_count(&labs[i].pairs); n++)
            if (!pair_write(folder, &labs[i], n))
                return false;
    path_make(path, "%s/index.html", folder);
    out = whole_open(fresh, path);
    if (!out)
        return false;
    snprintf(title, sizeof title, "Similarity in %.100s", name);
    page_begin(out, title);
    fprintf(
        out,
        "<p><strong>These are places to look at, not accusations.</strong> The parts are "
        "short, their contract is given, and two people who understood it write similar "
        "code. Read both texts before you think about anybody.</p>\n"
        "<p>Compared was what students wrote: lines that the starter gives are left out. "
        "A pair is alike by as many percent as lines of both lie in runs of %d tokens and "
        "more that both have (similarity-tester, sim_c). The line at %d %% says where to "
        "look first; it proves nothing.</p>\n",
        RUN_TOKENS_MIN, LINE_PERCENT);
    for (int i = 0; i < count; i++)
        lab_write(out, &labs[i]);
    page_end(out);
    return whole_close(out, fresh, path);
}
