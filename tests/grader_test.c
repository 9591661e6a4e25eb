/* grader_test.c - unit tests of the grader's and judge's own functions. What a hostile
 * subject or a damaged file could make them see is tested here in small. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "grading/results.h"
#include "judge/crash.h"
#include "judge/evidence.h"
#include "judge/words.h"
#include "lib/command.h"
#include "lib/files.h"
#include "lib/hash.h"
#include "lib/process_cpu.h"
#include "lib/settings.h"
#include "machine/frames.h"
#include "machine/subject_run.h"
#include "prepare/manifest.h"
#include "report/report.h"
#include "report/rounds.h"
#include "silicon/silicon.h"

/* --- settings ----------------------------------------------------------------------------------- */

static void settings_take_known_names_and_refuse_others(void **state)
{
    char *good[] = {"LAB=1", "SEED=0x10", "FROM=solutions"}, *bad[] = {"LAPS=1"};
    struct settings s;

    (void)state;
    assert_true(settings_parse(&s, 3, good));
    assert_string_equal(s.lab, "1");
    assert_int_equal(s.seed, 16);
    assert_false(settings_parse(&s, 1, bad));
}

static void settings_refuse_a_seed_with_rubbish_behind_it(void **state)
{
    char *words[][1] = {{"SEED=12x"}, {"SEED="}, {"SEED=99999999999999999999999"}};
    struct settings s;

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_false(settings_parse(&s, 1, words[i]));
}

static void process_cpu_counts_what_was_used(void **state)
{
    const clock_t enough = CLOCKS_PER_SEC / 10;
    const double before = process_cpu(getpid());
    const clock_t start = clock();

    (void)state;
    while (clock() - start < enough)
        ;
    assert_true(process_cpu(getpid()) - before > 0.05);
    assert_true(process_cpu(0x3fffffff) < 0.001); /* there is none */
}

static void settings_want_kernel_and_modules_together(void **state)
{
    char *one[] = {"KERNEL=/boot/vmlinuz"}, *both[] = {"KERNEL=a", "MODULES=b"};
    struct settings s;

    (void)state;
    assert_true(settings_parse(&s, 1, one));
    assert_false(settings_kernel(&s));
    assert_true(settings_parse(&s, 2, both));
    assert_true(settings_kernel(&s));
}

/* --- files ---------------------------------------------------------------------------------------- */

static char scratch[64];

static int scratch_make(void **state)
{
    (void)state;
    strcpy(scratch, "/tmp/grader_test.XXXXXX");
    return mkdtemp(scratch) ? 0 : -1;
}

static int scratch_remove(void **state)
{
    (void)state;
    return folder_remove(scratch) ? 0 : -1;
}

static void path_that_is_too_long_becomes_empty_not_shorter(void **state)
{
    char path[PATH_ROOM], *longer = malloc(PATH_ROOM + 10);

    (void)state;
    memset(longer, 'a', PATH_ROOM + 9);
    longer[PATH_ROOM + 9] = 0;
    path_make(path, "/%s", longer);
    assert_string_equal(path, "");
    free(longer);
}

static void file_is_written_whole_or_the_old_one_stays(void **state)
{
    char path[PATH_ROOM], *text;

    (void)state;
    path_make(path, "%s/file", scratch);
    assert_true(file_write(path, "one", 3));
    assert_false(file_write("/dev/full/x", "two", 3));
    text = file_read(path, 10, NULL);
    assert_string_equal(text, "one");
    free(text);
    assert_null(file_read(path, 2, NULL));
    assert_int_equal(errno, EFBIG);
}

static void folder_is_removed_without_following_links(void **state)
{
    char inside[PATH_ROOM], outside[PATH_ROOM], link[PATH_ROOM];

    (void)state;
    path_make(outside, "%s/outside", scratch);
    path_make(inside, "%s/a/b", scratch);
    path_make(link, "%s/a/b/link", scratch);
    assert_true(folder_make(inside) && folder_make(outside));
    assert_int_equal(symlink(outside, link), 0);
    path_make(inside, "%s/a", scratch);
    assert_true(folder_remove(inside));
    assert_int_equal(access(outside, F_OK), 0);
    assert_int_not_equal(access(inside, F_OK), 0);
}

static void command_says_how_it_ended(void **state)
{
    char *seven[] = {"sh", "-c", "echo hello; exit 7", NULL};
    char *killed[] = {"sh", "-c", "kill -9 $$", NULL};
    char *slow[] = {"sleep", "60", NULL}, *output;

    (void)state;
    assert_int_equal(command_run(seven, &output, 10), 7);
    assert_string_equal(output, "hello\n");
    free(output);
    assert_int_equal(command_run(killed, &output, 10), 128 + 9);
    free(output);
    /* (Or COMMAND_STARVED, where others have all processors.) */
    assert_true(command_run(slow, &output, 1) < 0);
    free(output);
}

static void hash_depends_on_where_one_piece_ends(void **state)
{
    struct hash *a = hash_new(), *b = hash_new();
    char one[33], two[33];

    (void)state;
    hash_text(a, "ab");
    hash_text(a, "c");
    hash_text(b, "a");
    hash_text(b, "bc");
    hash_finish(a, one);
    hash_finish(b, two);
    assert_string_not_equal(one, two);
}

/* Writes at an offset, so that what lies before is a hole; and gives the file a time. */
static void sparse_file_make(const char *path, const char *text, off_t at, time_t time)
{
    const struct timespec times[2] = {{.tv_sec = time}, {.tv_sec = time}};
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    assert_true(pwrite(fd, text, strlen(text), at) == (ssize_t)strlen(text));
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

static void manifest_knows_a_copy_from_damage(void **state)
{
    static const char *const files[] = {"ram", NULL};
    char ram[PATH_ROOM], whole[PATH_ROOM], *bytes;
    size_t size;

    (void)state;
    path_make(ram, "%s/ram", scratch);
    path_make(whole, "%s/whole", scratch);
    sparse_file_make(ram, "contents", 300000, 1000);
    assert_false(manifest_holds(scratch, files));
    assert_true(manifest_write(scratch, files));
    assert_true(manifest_holds(scratch, files));
    sparse_file_make(ram, "contents", 300000, 2000);
    assert_true(manifest_holds(scratch, files));
    bytes = file_read(ram, SIZE_MAX, &size);
    assert_true(file_write(whole, bytes, size)); /* without holes */
    free(bytes);
    assert_int_equal(rename(whole, ram), 0);
    assert_true(manifest_holds(scratch, files));
    sparse_file_make(ram, "Contents", 300000, 3000);
    assert_false(manifest_holds(scratch, files));
    sparse_file_make(ram, "contents", 300000, 3000);
    assert_true(manifest_holds(scratch, files));
    assert_int_equal(truncate(ram, 300000), 0);
    assert_false(manifest_holds(scratch, files));
}

static void points_are_written_without_needless_zeros(void **state)
{
    char text[16];

    (void)state;
    assert_string_equal(points_text(5, text), "0.5");
    assert_string_equal(points_text(120, text), "12");
    assert_string_equal(points_text(0, text), "0");
}

/* --- results -------------------------------------------------------------------------------------- */

static void results_of_rubbish_are_an_empty_board(void **state)
{
    char path[PATH_ROOM];
    cJSON *results;

    (void)state;
    path_make(path, "%s/results.json", scratch);
    assert_true(file_write(path, "{\"format\": 1, \"labs\"", 20));
    results = results_load(path);
    assert_true(cJSON_IsObject(cJSON_GetObjectItem(results, "labs")));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(results, "labs")), 0);
    cJSON_Delete(results);
}

static void results_of_two_folders_of_one_name_have_two_files(void **state)
{
    char a[PATH_ROOM], b[PATH_ROOM], labs[PATH_ROOM];

    (void)state;
    results_path(a, "/one/alice");
    results_path(b, "/two/alice");
    results_path(labs, "labs");
    assert_string_not_equal(a, b);
    assert_string_equal(labs, "build/results.json");
}

/* --- frames: what the agent's side could send --------------------------------------------------- */

struct pipe_ends {
    int judge, agent;
};

static struct pipe_ends channel_make(void)
{
    int s[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    return (struct pipe_ends){s[0], s[1]};
}

static void channel_close(struct pipe_ends *c)
{
    close(c->judge);
    if (c->agent >= 0)
        close(c->agent);
}

static void frame_that_is_too_long_is_refused(void **state)
{
    struct pipe_ends c = channel_make();
    struct frame_header header = {.type = FRAME_END, .length = FRAME_MAX + 1};
    void *payload;

    (void)state;
    assert_int_equal(write_exactly(c.agent, &header, sizeof header), 0);
    assert_int_equal(frame_receive(c.judge, &header, &payload), -EMSGSIZE);
    assert_null(payload);
    channel_close(&c);
}

static void frame_that_is_cut_off_is_an_error(void **state)
{
    struct pipe_ends c = channel_make();
    struct frame_header header = {.type = FRAME_END, .length = 100};
    void *payload;

    (void)state;
    write_exactly(c.agent, &header, sizeof header);
    write_exactly(c.agent, "half", 4);
    close(c.agent);
    c.agent = -1;
    assert_int_equal(frame_receive(c.judge, &header, &payload), -EPIPE);
    channel_close(&c);
}

static int receive(struct pipe_ends *c, struct evidence *e)
{
    const struct run_end end = {.outcome = RUN_EXITED};

    frame_send(c->agent, FRAME_END, &end, sizeof end, NULL, 0);
    return evidence_receive(
        e, &(const struct evidence_source){.channel = c->judge, .nonce = 42});
}

static void evidence_with_the_right_record_is_complete(void **state)
{
    struct pipe_ends c = channel_make();
    struct arena_header header = {.completion = arena_completion(42)};
    struct evidence e;

    (void)state;
    frame_send(c.agent, FRAME_ANSWER, &header, sizeof header, "answer", 6);
    assert_int_equal(receive(&c, &e), 0);
    assert_true(e.complete);
    assert_int_equal(e.header.output_size, 6);
    evidence_free(&e);
    channel_close(&c);
}

static void evidence_with_the_record_of_another_run_is_incomplete(void **state)
{
    struct pipe_ends c = channel_make();
    struct arena_header header = {.completion = arena_completion(43),
                                  .output_size = 4000000000u};
    struct evidence e;

    (void)state;
    frame_send(c.agent, FRAME_ANSWER, &header, sizeof header, "answer", 6);
    assert_int_equal(receive(&c, &e), 0);
    assert_false(e.complete);
    assert_int_equal(e.header.output_size, 6); /* what came, not what it claims */
    evidence_free(&e);
    channel_close(&c);
}

static void evidence_with_impossible_numbers_is_an_error(void **state)
{
    const struct window_data windows[] = {
        {.checkpoint = RUN_CHECKPOINTS_MAX}, {.window = RUN_WINDOWS_MAX}, {.length = 7}};
    const struct call_record call = {.payload = 4000};
    const uint32_t checkpoint = RUN_CHECKPOINTS_MAX;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct pipe_ends c = channel_make();
        struct evidence e;

        if (i < 3)
            frame_send(c.agent, FRAME_WINDOW, &windows[i], sizeof windows[i], NULL, 0);
        else if (i == 3)
            frame_send(c.agent, FRAME_CALLS, &call, sizeof call, NULL, 0);
        else
            frame_send(c.agent, FRAME_FDS, &checkpoint, sizeof checkpoint, "x", 1);
        assert_int_equal(receive(&c, &e), -EPROTO);
        evidence_free(&e);
        channel_close(&c);
    }
}

static void evidence_counts_descriptors_by_target(void **state)
{
    struct evidence e = {.fds = {"3 02 /memfd:arena\n4 02000002 /dev/kvm\n"
                                 "5 02000002 anon_inode:kvm-vm\n6 02 anon_inode:kvm-vm\n"}};
    unsigned flags = 0;

    (void)state;
    assert_int_equal(evidence_fds(&e, 0, "anon_inode:kvm-vm", NULL), 2);
    assert_int_equal(evidence_fds(&e, 0, "/dev/kvm", &flags), 1);
    assert_int_equal(flags, 02000002);
    assert_int_equal(evidence_fds(&e, 1, "/dev/kvm", NULL), 0);
}

static void window_bytes_that_did_not_come_read_as_zero(void **state)
{
    struct evidence e = {0};
    uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};

    (void)state;
    e.windows[0][0].bytes = bytes;
    e.windows[0][0].length = 6;
    assert_int_equal(window_u32(&e, 0, 0, 0), 0x04030201);
    assert_int_equal(window_u64(&e, 0, 0, 0), 0);
    assert_int_equal(window_u32(&e, 1, 0, 0), 0);
}

/* --- the agent's side: what a judge could send -------------------------------------------------- */

static void run_request_with_wrong_sizes_is_refused(void **state)
{
    uint8_t frame[sizeof(struct run_request) + sizeof(struct window) + 16] = {0};
    struct run_request *request = (struct run_request *)(void *)frame;
    struct run_job job;

    (void)state;
    assert_false(run_job_parse(&job, frame, sizeof *request - 1));
    request->window_count = 1;
    request->input_size = 16;
    assert_true(run_job_parse(&job, frame, sizeof frame));
    assert_false(run_job_parse(&job, frame, sizeof frame - 1));
    request->window_count = RUN_WINDOWS_MAX + 1;
    assert_false(run_job_parse(&job, frame, sizeof frame));
    request->window_count = 1;
    request->plan_size = 1;
    assert_false(run_job_parse(&job, frame, sizeof frame + 1));
}

/* --- silicon_ept_confined ------------------------------------------------------------------------- */

#define EPT_BASE  0x1000000ull
#define EPT_PAGES 8u
#define EPT_RWX   7ull
#define EPT_LARGE (1ull << 7)

static uint64_t ept[EPT_PAGES][512];
static uint64_t ept_bad;

/* The table at page n of the memory, as an address. */
static uint64_t ept_table(unsigned n)
{
    return EPT_BASE + 4096ull * n;
}

/* PML4 0 -> PDPT 1 -> PD 2 -> PT 3 with one page, which is the last of the range. */
static void ept_make(void)
{
    memset(ept, 0, sizeof ept);
    ept[0][511] = ept_table(1) | EPT_RWX;
    ept[1][0] = ept_table(2) | EPT_RWX;
    ept[2][7] = ept_table(3) | EPT_RWX;
    ept[3][9] = 0x2003000 | EPT_RWX;
}

static bool ept_confined(void)
{
    const struct silicon_range ranges[] = {{0x2000000, 0x2004000},
                                           {0x40000000, 0x80200000}};

    return silicon_ept_confined((const uint8_t *)ept, EPT_BASE, sizeof ept, ept_table(0),
                                ranges, 2, &ept_bad);
}

static void ept_whose_pages_lie_in_the_ranges_is_confined(void **state)
{
    (void)state;
    ept_make();
    assert_true(ept_confined());
    ept[2][8] = 0x80000000 | EPT_RWX | EPT_LARGE;
    ept[1][1] = 0x40000000 | EPT_RWX | EPT_LARGE;
    ept[3][0] = 0x7000000; /* not present: no right */
    assert_true(ept_confined());
}

static void ept_with_a_page_elsewhere_is_not_confined(void **state)
{
    static const struct {
        unsigned table, index;
        uint64_t entry;
    } wrong[] = {
        {3, 0, 0x1fff000 | 1},                    /* just below */
        {3, 511, 0x2004000 | 2},                  /* just behind */
        {3, 4, 0x4000fffffff000ull | 4},          /* address bits 51:12 all count */
        {2, 0, 0x2000000 | EPT_RWX | EPT_LARGE},  /* begins inside, ends outside */
        {2, 1, 0x80200000 | EPT_RWX | EPT_LARGE}, /* just behind */
        {1, 3, 0x80000000 | EPT_RWX | EPT_LARGE},
        {0, 3, (EPT_BASE + sizeof ept) | EPT_RWX}, /* tables outside the memory */
        {1, 3, (EPT_BASE - 4096) | EPT_RWX},
        {2, 3, 0x000ffffffffff000ull | 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ept_make();
        ept[wrong[i].table][wrong[i].index] = wrong[i].entry;
        assert_false(ept_confined());
        assert_int_equal(ept_bad, wrong[i].entry);
    }
}

static void ept_that_points_to_itself_is_searched_in_bounded_time(void **state)
{
    (void)state;
    for (unsigned n = 0; n < EPT_PAGES; n++)
        for (unsigned i = 0; i < 512; i++)
            ept[n][i] = ept_table((n + i) % EPT_PAGES) | EPT_RWX;
    /* 512 * 512 * 512 ways lead to a page, and each page is a table: not in the ranges. */
    assert_false(ept_confined());
    const struct silicon_range tables = {EPT_BASE, EPT_BASE + sizeof ept};
    assert_true(silicon_ept_confined((const uint8_t *)ept, EPT_BASE, sizeof ept,
                                     ept_table(0), &tables, 1, &ept_bad));
}

static void ept_whose_root_is_elsewhere_is_not_confined(void **state)
{
    static const uint64_t roots[] = {0, EPT_BASE - 4096, EPT_BASE + sizeof ept};

    (void)state;
    memset(ept, 0, sizeof ept);
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        assert_false(silicon_ept_confined((const uint8_t *)ept, EPT_BASE, sizeof ept,
                                          roots[i], NULL, 0, &ept_bad));
        assert_int_equal(ept_bad, roots[i]);
    }
    assert_false(silicon_ept_confined((const uint8_t *)ept, EPT_BASE, 4095, EPT_BASE, NULL,
                                      0, &ept_bad));
}

/* --- rounds ------------------------------------------------------------------------------------- */

static void exit_of_l2_is_kept_or_handed_on(void **state)
{
    struct kvm_event list[] = {
        {.kind = EVENT_ENTRY, .time_ns = 10},
        {.kind = EVENT_EXIT, .time_ns = 20, .reason = SVM_EXIT_VMRUN},
        {.kind = EVENT_NESTED_ENTRY, .time_ns = 21},
        {.kind = EVENT_NESTED_INTERCEPTS, .time_ns = 22, .info1 = 1u << 18}, /* CPUID */
        {.kind = EVENT_ENTRY, .time_ns = 30},
        {.kind = EVENT_EXIT, .time_ns = 45, .reason = SVM_EXIT_IOIO, .info1 = 0x50c00040},
        {.kind = EVENT_NESTED_EXIT, .time_ns = 46, .reason = SVM_EXIT_IOIO},
        {.kind = EVENT_USERSPACE_EXIT, .time_ns = 47, .reason = 2},
        {.kind = EVENT_ENTRY, .time_ns = 50},
        {.kind = EVENT_EXIT, .time_ns = 53, .reason = SVM_EXIT_CPUID},
        {.kind = EVENT_NESTED_REFLECT, .time_ns = 54, .reason = SVM_EXIT_CPUID},
        {.kind = EVENT_ENTRY, .time_ns = 60},
        {.kind = EVENT_EXIT, .time_ns = 64, .reason = SVM_EXIT_HLT},
    };
    const struct kvm_events events = {list, sizeof list / sizeof list[0]};
    struct rounds rounds = rounds_begin(&events);
    struct round round;
    uint64_t ns[LANES];
    char text[80];

    (void)state;
    assert_true(rounds_nested(&events));
    assert_true(rounds_next(&rounds, &round) && !round.from_l2 && round.begin_ns == 10);
    assert_true(rounds_next(&rounds, &round) && round.from_l2 && !round.reflected);
    assert_string_equal(round_answer(&round), "VMM");
    assert_string_equal(round_wish(&round), "L1 does not ask for it");
    round_describe(&round, text, sizeof text);
    assert_string_equal(text, "port 0x50c0 <-");
    assert_true(rounds_next(&rounds, &round) && round.from_l2 && round.reflected);
    assert_string_equal(round_wish(&round), "L1 asks for it");
    assert_true(rounds_next(&rounds, &round) && !round.from_l2 && round.end_ns == 0);
    assert_false(rounds_next(&rounds, &round));
    rounds_times(&events, ns);
    assert_int_equal(ns[LANE_GUEST], 10 + 4);
    assert_int_equal(ns[LANE_L2], 15 + 3);
    assert_int_equal(ns[LANE_KERNEL], 10 + 2 + 7);
    assert_int_equal(ns[LANE_VMM], 3);
}

static void exits_of_svm_have_their_names(void **state)
{
    (void)state;
    assert_string_equal(svm_exit_name(SVM_EXIT_VINTR), "vintr");
    assert_string_equal(svm_exit_name(SVM_EXIT_EXCEPTION + 6), "#UD");
    assert_string_equal(svm_exit_name(SVM_EXIT_EXCEPTION + 31), "exception");
    assert_string_equal(svm_exit_name(0x403), "vmgexit");
    assert_string_equal(svm_exit_name(0x0a1), "?");
    assert_string_equal(svm_exit_name(0xffffffff), "?");
    for (uint32_t code = 0; code < 0xa0; code++)
        assert_true(svm_exit_name(code)[0] != '?' && strlen(svm_exit_name(code)) <= 9);
}

static void interrupts_are_said_of_a_round(void **state)
{
    struct kvm_event list[] = {
        {.kind = EVENT_ENTRY, .time_ns = 10},
        {.kind = EVENT_EXIT, .time_ns = 20, .reason = SVM_EXIT_INTR},
        {.kind = EVENT_MSI, .time_ns = 21, .address = 0xfee00000, .value = 0x4041},
        {.kind = EVENT_INJECT, .time_ns = 22, .value = 0x41},
        {.kind = EVENT_ENTRY, .time_ns = 30},
        {.kind = EVENT_EXIT, .time_ns = 40, .reason = SVM_EXIT_HLT},
    };
    const struct kvm_events events = {list, sizeof list / sizeof list[0]};
    struct rounds rounds = rounds_begin(&events);
    struct round round;
    char text[160];

    (void)state;
    assert_true(rounds_next(&rounds, &round));
    round_describe(&round, text, sizeof text);
    assert_string_equal(text, "MSI with vector 0x41; injects vector 0x41");
    assert_true(rounds_next(&rounds, &round));
    round_describe(&round, text, sizeof text);
    assert_string_equal(text, "");
}

/* --- where a subject crashed ---------------------------------------------------------------------- */

static void places_of_code_are_read_as_addr2line_says_them(void **state)
{
    char text[] = "walk_step\n/kit/labs/05-ept-walk/ept.c:57 (discriminator 2)\n"
                  "strange\033[1m\n??:0\nno_line\n??:?\nlast";
    struct code_place places[8];

    (void)state;
    assert_int_equal(code_places_parse(places, 8, text), 3);
    assert_string_equal(places[0].function, "walk_step");
    assert_string_equal(places[0].file, "/kit/labs/05-ept-walk/ept.c");
    assert_string_equal(places[0].line, "57");
    assert_null(strchr(places[1].function, 27));
    assert_string_equal(places[1].file, "");
    assert_string_equal(places[2].line, "");
}

/* --- results in words ----------------------------------------------------------------------------- */

static void results_are_named_where_they_are_an_errno(void **state)
{
    char text[40];

    (void)state;
    assert_string_equal(errno_text(-ENOENT, text, sizeof text), "-ENOENT");
    assert_string_equal(errno_text(5, text, sizeof text), "5");
    assert_string_equal(errno_text(-1, text, sizeof text), "-EPERM");
    assert_string_equal(errno_text_or_minus_1(-1, text, sizeof text), "-1");
    assert_string_equal(errno_text_or_minus_1(-ENOENT, text, sizeof text), "-ENOENT");
    assert_string_equal(errno_number_text(-ENOENT, text, sizeof text), "-2 (-ENOENT)");
    assert_string_equal(errno_number_text(0, text, sizeof text), "0");
    assert_string_equal(errno_text(INT64_MIN, text, sizeof text), "-9223372036854775808");
    assert_null(errno_name(-150));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_take_known_names_and_refuse_others),
        cmocka_unit_test(settings_refuse_a_seed_with_rubbish_behind_it),
        cmocka_unit_test(settings_want_kernel_and_modules_together),
        cmocka_unit_test(process_cpu_counts_what_was_used),
        cmocka_unit_test(path_that_is_too_long_becomes_empty_not_shorter),
        cmocka_unit_test(file_is_written_whole_or_the_old_one_stays),
        cmocka_unit_test(folder_is_removed_without_following_links),
        cmocka_unit_test(command_says_how_it_ended),
        cmocka_unit_test(hash_depends_on_where_one_piece_ends),
        cmocka_unit_test(manifest_knows_a_copy_from_damage),
        cmocka_unit_test(points_are_written_without_needless_zeros),
        cmocka_unit_test(results_of_rubbish_are_an_empty_board),
        cmocka_unit_test(results_of_two_folders_of_one_name_have_two_files),
        cmocka_unit_test(frame_that_is_too_long_is_refused),
        cmocka_unit_test(frame_that_is_cut_off_is_an_error),
        cmocka_unit_test(evidence_with_the_right_record_is_complete),
        cmocka_unit_test(evidence_with_the_record_of_another_run_is_incomplete),
        cmocka_unit_test(evidence_with_impossible_numbers_is_an_error),
        cmocka_unit_test(evidence_counts_descriptors_by_target),
        cmocka_unit_test(window_bytes_that_did_not_come_read_as_zero),
        cmocka_unit_test(run_request_with_wrong_sizes_is_refused),
        cmocka_unit_test(ept_whose_pages_lie_in_the_ranges_is_confined),
        cmocka_unit_test(ept_with_a_page_elsewhere_is_not_confined),
        cmocka_unit_test(ept_that_points_to_itself_is_searched_in_bounded_time),
        cmocka_unit_test(ept_whose_root_is_elsewhere_is_not_confined),
        cmocka_unit_test(exit_of_l2_is_kept_or_handed_on),
        cmocka_unit_test(exits_of_svm_have_their_names),
        cmocka_unit_test(interrupts_are_said_of_a_round),
        cmocka_unit_test(places_of_code_are_read_as_addr2line_says_them),
        cmocka_unit_test(results_are_named_where_they_are_an_errno),
    };

    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
