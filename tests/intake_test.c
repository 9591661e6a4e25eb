/* intake_test.c - unit tests of what reads people's files: tables, times, names of platforms,
 * parts among files. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "intake/forms.h"
#include "intake/parts.h"
#include "intake/roster.h"
#include "lib/csv.h"
#include "lib/json.h"
#include "lib/when.h"
#include "report/exports.h"

/* --- tables ------------------------------------------------------------------------------------- */

static void csv_takes_quotes_line_ends_and_marks_apart(void **state)
{
    struct csv csv =
        csv_parse("\xef\xbb\xbfid,name\r\n1,\"Lovelace, \"\"Ada\"\"\"\r\n\n2,\n");

    (void)state;
    assert_int_equal(csv.count, 3);
    assert_string_equal(csv.rows[0].fields[0], "id");
    assert_string_equal(csv.rows[1].fields[1], "Lovelace, \"Ada\"");
    assert_int_equal(csv.rows[2].count, 2);
    assert_string_equal(csv.rows[2].fields[1], "");
    csv_free(&csv);
}

static void csv_takes_semicolons_where_there_are_no_commas(void **state)
{
    struct csv csv = csv_parse("id;name\n7;\"a;b\"");

    (void)state;
    assert_int_equal(csv.count, 2);
    assert_string_equal(csv.rows[1].fields[1], "a;b");
    csv_free(&csv);
}

static void csv_survives_what_is_no_table(void **state)
{
    static const char *const texts[] = {"",  "\"",       "\"\"\"", "\n\n",
                                        ",", "a,\"b\nc", "\r\r"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct csv csv = csv_parse(texts[i]);

        csv_free(&csv);
    }
}

static void csv_writes_no_formula(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    csv_text(out, "=1+1", true);
    csv_text(out, "a,\"b\"", false);
    csv_text(out, "-", false);
    csv_end(out);
    fclose(out);
    assert_string_equal(text, "'=1+1,\"a,\"\"b\"\"\",'-\r\n");
    free(text);
}

/* --- times -------------------------------------------------------------------------------------- */

static void times_have_offsets(void **state)
{
    time_t a, b;

    (void)state;
    assert_true(when_parse("2027-01-31T23:59+01:00", &a));
    assert_int_equal(a, 1801436340);
    assert_true(when_parse("2027-01-31T22:59Z", &b) && a == b);
    assert_true(when_parse("2027-01-31 22:59:00.5 Z", &b) && a == b);
    assert_true(when_parse("2027-01-31T17:59:00-0500", &b) && a == b);
}

static void times_that_are_none_are_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "tomorrow",
                                        "2027-01-31",
                                        "2027-13-01T00:00",
                                        "2027-01-31T23:59+1",
                                        "2027-01-31T23:59 or so"};
    time_t when;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(when_parse(texts[i], &when));
}

/* --- names -------------------------------------------------------------------------------------- */

static void handin_drop(struct handin *h, char *rest)
{
    free(h->id);
    free(h->name);
    free(h->email);
    free(h->attempt);
    free(rest);
}

static void names_of_platforms_are_understood(void **state)
{
    static const struct {
        const char *name, *form, *id, *who, *rest;
        bool late;
    } cases[] = {
        {"Ada Lovelace_123_assignsubmission_file_", "moodle", "123", "Ada Lovelace", "",
         false},
        {"Ada Lovelace_123_assignsubmission_file_irt.c", "moodle", "123", "Ada Lovelace",
         "irt.c", false},
        {"lovelaceada_44_55_ept_walk-1.c", "canvas", "44", "lovelaceada", "ept_walk-1.c",
         false},
        {"lovelaceada_LATE_44_55_x.zip", "canvas", "44", "lovelaceada", "x.zip", true},
        {"HW 1_ada9_attempt_2027-01-30-10-00-00_x.zip", "blackboard", "ada9", "", "_x.zip",
         false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct handin h;
        char *rest;

        assert_true(name_parse(cases[i].name, &h, &rest));
        assert_string_equal(h.form, cases[i].form);
        assert_string_equal(h.id, cases[i].id);
        assert_string_equal(h.name, cases[i].who);
        assert_string_equal(rest, cases[i].rest);
        assert_int_equal(h.late, cases[i].late);
        handin_drop(&h, rest);
    }
}

static void names_of_people_are_not_platforms(void **state)
{
    static const char *const names[] = {"ada",      "ada.zip",      "ada_lovelace",
                                        "lab1-ada", "submission_7", "a_b_c_d"};
    struct handin h;
    char *rest;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_false(name_parse(names[i], &h, &rest));
}

static void checkouts_have_a_common_beginning(void **state)
{
    char *several[] = {"lab1-ada", "lab1-al", "lab1-grace"}, *one[] = {"lab1-ada"},
         *none[] = {"ada", "grace"};

    (void)state;
    assert_int_equal(prefix_common(several, 3), 5);
    assert_int_equal(prefix_common(one, 1), 0);
    assert_int_equal(prefix_common(none, 2), 0);
}

static void roster_finds_people_by_what_platforms_say(void **state)
{
    char path[] = "/tmp/roster.XXXXXX";
    int fd = mkstemp(path);
    struct roster roster;
    struct handin
        moodle = {.form = "moodle", .id = "s1", .name = "Hopper Grace", .email = ""},
        canvas = {.form = "canvas", .id = "9", .name = "lovelaceada", .email = ""},
        github = {.form = "github", .id = "octo", .name = "", .email = ""},
        nobody = {.form = "plain", .id = "eve", .name = "", .email = ""},
        twins = {.form = "moodle", .id = "3", .name = "Kim Lee", .email = ""};

    (void)state;
    dprintf(fd, "Name,ID,GitHub,colour\nAda Lovelace,s1,,red\nGrace Hopper,s2,octo,\n"
                "Kim Lee,s3,,\nLee Kim,s4,,\n");
    close(fd);
    assert_true(roster_load(&roster, path));
    assert_int_equal(roster_find(&roster, &moodle),
                     1); /* not s1: that number is Moodle's */
    assert_int_equal(roster_find(&roster, &canvas), 0);
    assert_int_equal(roster_find(&roster, &github), 1);
    assert_int_equal(roster_find(&roster, &nobody), ROSTER_NOBODY);
    assert_int_equal(roster_find(&roster, &twins), ROSTER_SEVERAL);
    roster_free(&roster);
    unlink(path);
}

/* --- parts -------------------------------------------------------------------------------------- */

static struct labs two_labs(void)
{
    return (struct labs){
        .count = 2,
        .list = {
            {.number = 1, .name = "01-kvm-open", .parts = {"kvm_open.c"}, .part_count = 1},
            {.number = 3,
             .name = "03-exit-loop",
             .parts = {"device_bus.c", "exit_loop.c"},
             .part_count = 2}}};
}

/* Offers files "path=text" (no '=': only the name is known), and chooses. */
static cJSON *chosen(struct parts *p, const char *const *files, char key[33])
{
    char folder[] = "/tmp/parts.XXXXXX";
    cJSON *labs;

    assert_non_null(mkdtemp(folder));
    for (; *files; files++) {
        const char *mark = strchr(*files, '=');
        char *path = strndup(*files, mark ? (size_t)(mark - *files) : strlen(*files));

        parts_meet(p, path, mark ? strdup(mark + 1) : NULL, mark ? strlen(mark + 1) : 5, 0);
        free(path);
    }
    labs = parts_choose(p, folder, key);
    folder_remove(folder);
    return labs;
}

static void parts_expect(const char *const *files, const char *lab1, const char *note)
{
    struct labs labs = two_labs();
    struct parts p = parts_begin(&labs);
    char key[33];
    cJSON *states = chosen(&p, files, key), *said;
    bool found = !note;

    assert_string_equal(json_text(states, "01-kvm-open"), lab1);
    cJSON_ArrayForEach(said, p.notes)
    {
        found |= note && strstr(said->valuestring, note);
    }
    assert_true(found);
    cJSON_Delete(states);
    cJSON_Delete(p.files);
    cJSON_Delete(p.notes);
    parts_free(&p);
}

static void parts_are_found_by_name_and_nothing_is_guessed(void **state)
{
    (void)state;
    parts_expect((const char *const[]){"x/y/kvm_open.c=a", NULL}, "handed in", NULL);
    parts_expect((const char *const[]){"essay.txt", NULL}, "not handed in", NULL);
    parts_expect(
        (const char *const[]){"old/kvm_open.c=a", "labs/01-kvm-open/kvm_open.c=b", NULL},
        "handed in", "labs/01-kvm-open/kvm_open.c was taken");
    parts_expect((const char *const[]){"a/kvm_open.c=a", "b/kvm_open.c=b", NULL}, "unclear",
                 "neither was taken");
    parts_expect((const char *const[]){"a/kvm_open.c=a", "b/kvm_open.c=a", NULL},
                 "handed in", NULL);
    parts_expect((const char *const[]){"kvm_opne.c", NULL}, "unclear",
                 "is kvm_opne.c meant?");
    parts_expect((const char *const[]){"kvm_open.c.txt", NULL}, "unclear", "meant?");
    parts_expect((const char *const[]){"kvm_open-2.c=a", NULL}, "handed in",
                 "was taken as kvm_open.c");
    parts_expect((const char *const[]){"KVM_OPEN (1).C=a", NULL}, "handed in",
                 "was taken as");
}

static void what_is_nobodys_work_is_not_looked_at(void **state)
{
    (void)state;
    assert_false(parts_path_matters("a/__MACOSX/kvm_open.c"));
    assert_false(parts_path_matters("a/._kvm_open.c"));
    assert_false(parts_path_matters("repo/.git/x"));
    assert_false(parts_path_matters("repo/solutions/01-kvm-open/kvm_open.c"));
    assert_true(parts_path_matters("solutions.zip"));
    assert_true(parts_path_matters("my solutions/kvm_open.c"));
}

static void a_hand_in_has_limits(void **state)
{
    struct labs labs = two_labs();
    struct parts p = parts_begin(&labs);

    (void)state;
    assert_true(parts_count(&p, HANDIN_BYTES));
    assert_false(parts_count(&p, 1));
    assert_true(p.refused);
    assert_non_null(strstr(p.why, "MiB"));
    cJSON_Delete(p.files);
    cJSON_Delete(p.notes);
    parts_free(&p);
}

static void leftovers_of_the_killed_are_removed_and_nothing_else(void **state)
{
    static const char *const names[] = {"grades.csv", "grades.csv.aB3dE9", "new.Xy12Zz",
                                        "seed",       "notes.abcdef",      "x.json.12345"};
    char folder[] = "/tmp/left.XXXXXX", path[PATH_ROOM];

    (void)state;
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        path_make(path, "%s/%s", folder, names[i]);
        assert_true(file_write(path, "x", 1));
    }
    leftovers_prune(folder, 100);
    path_make(path, "%s/new.Xy12Zz", folder);
    assert_int_equal(access(path, F_OK), 0); /* too young */
    leftovers_prune(folder, -1);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        path_make(path, "%s/%s", folder, names[i]);
        assert_int_equal(access(path, F_OK) == 0, i != 1 && i != 2);
    }
    folder_remove(folder);
}

static void hide_takes_whole_words(void **state)
{
    struct settings s = {.hide = "seen,open_failures_are_typed"};

    (void)state;
    assert_true(hidden(&s, "seen"));
    assert_true(hidden(&s, "open_failures_are_typed"));
    assert_false(hidden(&s, "open_failures"));
    assert_false(hidden(&(struct settings){.hide = NULL}, "seen"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_takes_quotes_line_ends_and_marks_apart),
        cmocka_unit_test(csv_takes_semicolons_where_there_are_no_commas),
        cmocka_unit_test(csv_survives_what_is_no_table),
        cmocka_unit_test(csv_writes_no_formula),
        cmocka_unit_test(times_have_offsets),
        cmocka_unit_test(times_that_are_none_are_refused),
        cmocka_unit_test(names_of_platforms_are_understood),
        cmocka_unit_test(names_of_people_are_not_platforms),
        cmocka_unit_test(checkouts_have_a_common_beginning),
        cmocka_unit_test(roster_finds_people_by_what_platforms_say),
        cmocka_unit_test(parts_are_found_by_name_and_nothing_is_guessed),
        cmocka_unit_test(what_is_nobodys_work_is_not_looked_at),
        cmocka_unit_test(a_hand_in_has_limits),
        cmocka_unit_test(leftovers_of_the_killed_are_removed_and_nothing_else),
        cmocka_unit_test(hide_takes_whole_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
