/* build.c - a submission's part becomes a subject. Nothing of a submission is believed: the
 * part files are copied (regular files only), compiled in a sandbox that shows nothing but
 * compiler and headers, and linked in another one with our objects. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "grader.h"
#include "text.h"

#define COMPILE_SECONDS 30
#define ROOM_BYTES      (16u << 20) /* what a build may need on the disk */
#define CACHE           "build/cache"
#define KIT             "/kit" /* the kit's top folder, as a compiler sees it */
#define ARGS_MAX        (96 + 3 * LABS_MAX)

#define STUDENT_FLAGS                                                                      \
    "-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-fdiagnostics-color=never",            \
        "-fmax-errors=20"
#define SANITIZE_FLAGS "-fsanitize=address,undefined", "-fno-sanitize-recover=all"

/* A program without an operating system below it: no library, no SSE, no red zone (an interrupt
 * may come at any time), at a fixed address, as plain bytes. */
#define PROGRAM_FLAGS                                                                      \
    "-m64", "-ffreestanding", "-fno-pic", "-fno-pie", "-fno-stack-protector",              \
        "-fno-asynchronous-unwind-tables", "-fno-tree-loop-distribute-patterns",           \
        "-mno-red-zone", "-mgeneral-regs-only", "-Icommon/include", "-Icommon/silicon",    \
        "-Icommon/guest"
#define PROGRAM_LINK "-nostdlib", "-static", "-Wl,--build-id=none,-z,noexecstack"

#define SOURCES_MAX   (LABS_MAX * PARTS_MAX)
#define SUBJECT_BYTES (32u << 20) /* the largest subject that is taken; --fsize below */

struct source {
    const struct lab *lab;
    const char *name;
    char *text;
    size_t size;
};

/* A part that is no piece of the subject but a program for a CPU without an operating system:
 * its name says for which. It is compiled and linked by itself, with our start code. */
struct program_kind {
    const char *suffix; /* of the part's name */
    const char *script; /* where it is linked to */
    const char *ours[4];
};

static const struct program_kind program_kinds[] = {
    /* a guest of the VMM, in long mode */
    {".svm.c",
     "common/guest/guest.ld",
     {"common/guest/hypervisor.S", "common/guest/svm_enter.S", "common/silicon/memory.c"}},
    /* alone on the emulated Intel CPU */
    {".vmx.c",
     "common/silicon/runtime.ld",
     {"common/silicon/program.S", "common/silicon/enter.S", "common/silicon/memory.c"}},
};

struct build {
    const struct lab *lab;
    const struct labs *labs;
    const struct submission *submission;
    const char *dispatcher;
    struct source sources[SOURCES_MAX];
    int source_count;
    char stage[PATH_ROOM]; /* scratch: src/, out/ */
    struct built *built;
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct build *b,
                                                         const char *format, ...)
{
    va_list list;

    free(b->built->messages);
    va_start(list, format);
    if (vasprintf(&b->built->messages, format, list) < 0)
        b->built->messages = NULL;
    va_end(list);
    if (b->built->messages)
        text_clean(b->built->messages);
    return false;
}

static bool name_ends(const char *name, const char *suffix)
{
    size_t n = strlen(name), s = strlen(suffix);

    return n > s && strcmp(name + n - s, suffix) == 0;
}

/* --- taking the part files ------------------------------------------------------------------------ */

static bool source_read(struct build *b, int folder, struct source *source)
{
    const char *label = b->submission->label, *lab = source->lab->name;
    int fd = openat(folder, source->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat s;
    ssize_t n;

    if (fd < 0 && errno == ENOENT)
        return refuse(b,
                      "%s/%s/%s is not there. It is the part that this lab asks for; "
                      "`make reset LAB=%d` brings the starter back.",
                      label, lab, source->name, source->lab->number);
    if (fd < 0 && errno == ELOOP)
        return refuse(b, "%s/%s/%s is a symbolic link; hand in the file itself", label, lab,
                      source->name);
    if (fd < 0)
        return refuse(b, "%s/%s/%s cannot be read: %s", label, lab, source->name,
                      strerror(errno));
    if (fstat(fd, &s) < 0 || !S_ISREG(s.st_mode)) {
        close(fd);
        return refuse(b, "%s/%s/%s is not a regular file", label, lab, source->name);
    }
    if (s.st_size > PART_BYTES) {
        close(fd);
        return refuse(b, "%s/%s/%s has %lld bytes; a part may have %u", label, lab,
                      source->name, (long long)s.st_size, PART_BYTES);
    }
    source->text = malloc(PART_BYTES + 1);
    n = source->text ? read(fd, source->text, PART_BYTES) : -1;
    close(fd);
    if (n < 0)
        return refuse(b, "%s/%s/%s cannot be read: %s", label, lab, source->name,
                      strerror(errno));
    source->size = (size_t)n;
    if (memchr(source->text, 0, source->size))
        return refuse(b, "%s/%s/%s is a binary file, not C text", label, lab, source->name);
    return true;
}

static bool lab_sources_read(struct build *b, const struct lab *lab, const char *root)
{
    char path[PATH_ROOM];
    bool ok = true;
    int folder;

    path_make(path, "%s/%s", root, lab->name);
    folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return refuse(b, "the folder %s/%s cannot be opened: %s", b->submission->label,
                      lab->name,
                      errno == ENOTDIR || errno == ELOOP ? "it is not a real folder"
                                                         : strerror(errno));
    for (int i = 0; ok && i < lab->part_count && b->source_count < SOURCES_MAX; i++) {
        struct source *source = &b->sources[b->source_count++];

        source->lab = lab;
        source->name = lab->parts[i];
        ok = source_read(b, folder, source);
    }
    close(folder);
    return ok;
}

/* With OWN=1, the student's earlier parts take the place of the reference's. */
static bool lab_is_own(const struct build *b, const struct lab *other)
{
    const uint32_t only = b->submission->own_labs;

    return b->submission->own && other->number < b->lab->number &&
           (only == 0 || (only >> other->number & 1));
}

static bool sources_read(struct build *b)
{
    bool ok = lab_sources_read(b, b->lab, b->submission->folder);

    for (int i = 0; ok && i < b->labs->count; i++)
        if (lab_is_own(b, &b->labs->list[i]))
            ok = lab_sources_read(b, &b->labs->list[i], b->submission->own);
    return ok;
}

static const struct program_kind *program_kind(const struct source *source)
{
    for (size_t i = 0; i < sizeof program_kinds / sizeof program_kinds[0]; i++)
        if (name_ends(source->name, program_kinds[i].suffix))
            return &program_kinds[i];
    return NULL;
}

/* --- what goes into the subject, and its key ------------------------------------------------------- */

/* The archive or object files beside the part, as paths from the kit's top folder. */
static int link_inputs(const struct build *b, char inputs[LABS_MAX + 4][PATH_ROOM])
{
    int n = 0;

    path_make(inputs[n++], "build/subjects/%s.o", b->dispatcher);
    path_make(inputs[n++], "build/subjects/main.o");
    path_make(inputs[n++], "build/subjects/crash.o");
    for (int i = 0; i < b->labs->count; i++) {
        const struct lab *other = &b->labs->list[i];

        if (other != b->lab && !lab_is_own(b, other))
            path_make(inputs[n++], "build/lib/%s.a", other->name);
    }
    path_make(inputs[n++], "build/lib/core.a");
    return n;
}

static void key_make(const struct build *b, char key[33])
{
    static char inputs[LABS_MAX + 4][PATH_ROOM];
    struct hash *hash = hash_new();
    int count = link_inputs(b, inputs);

    hash_text(hash, "subject 1");
    hash_text(hash, b->submission->label); /* it is in the compiler's messages */
    hash_text(hash, b->submission->sanitize ? "sanitize" : "");
    for (int i = 0; i < b->source_count; i++) {
        hash_text(hash, b->sources[i].name);
        hash_bytes(hash, b->sources[i].text, b->sources[i].size);
    }
    hash_folder(hash, "common/include", ".h");
    for (int i = 0; i < count; i++)
        hash_file(hash, inputs[i]);
    for (int i = 0; i < b->source_count; i++)
        if (program_kind(&b->sources[i])) {
            hash_folder(hash, "common/guest", "");
            hash_folder(hash, "common/silicon", "");
            break;
        }
    hash_file(hash, "grader/build.c"); /* flags */
    hash_stat(hash, "/usr/bin/gcc");   /* another compiler makes another subject */
    hash_finish(hash, key);
}

/* --- the compiler's cage --------------------------------------------------------------------------------- */

struct command {
    char *argv[ARGS_MAX];
    int count;
    bool cut; /* there was no room for a word: it must not be run */
};

static void add(struct command *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct command *c, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    if (c->count < ARGS_MAX - 1 && vasprintf(&c->argv[c->count], format, list) >= 0)
        c->count++;
    else
        c->cut = true;
    va_end(list);
    c->argv[c->count] = NULL;
}

static void add_words(struct command *c, const char *const *words)
{
    for (; *words; words++)
        add(c, "%s", *words);
}

static void command_free(struct command *c)
{
    for (int i = 0; i < c->count; i++)
        free(c->argv[i]);
}

/* prlimit(1) is part of util-linux, which every Debian has; bwrap has no limits itself. */
static void limits_begin(struct command *c)
{
    static const char *const words[] = {
        "prlimit", "--cpu=40", "--as=1500000000", "--fsize=33554432", "--core=0",
        "--",      NULL};

    add_words(c, words);
}

/* The cage's top folder is `out`: what is made goes there. */
static void cage_begin(struct command *c, const char *out)
{
    /* clang-format off */
    static const char *const words[] = {
        "bwrap", "--unshare-all", "--die-with-parent", "--cap-drop", "ALL",
        "--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LC_ALL", "C",
        "--ro-bind", "/usr", "/usr", "--dev", "/dev", "--tmpfs", "/tmp",
        "--chdir", KIT, NULL};
    /* clang-format on */

    add_words(c, words);
    add(c, "--bind");
    add(c, "%s", out);
    add(c, KIT);
    for (const char *const *folder =
             (const char *const[]){"/lib", "/lib64", "/bin", "/etc/alternatives", NULL};
         *folder; folder++) {
        add(c, "--ro-bind-try");
        add(c, "%s", *folder);
        add(c, "%s", *folder);
    }
}

/* Shows a file or folder of the host, read-only, under a name from the kit's top folder. */
static void cage_show(struct command *c, const char *from, const char *to)
{
    add(c, "--ro-bind");
    add(c, "%s", from);
    add(c, KIT "/%s", to);
}

/* Without a sandbox: the same names, as links in `out`, from where the tool is started. */
static void plain_show(const char *out, const char *from, const char *to)
{
    char link[PATH_ROOM], *target = realpath(from, NULL);

    path_make(link, "%s/%s", out, to);
    if (target && symlink(target, link) < 0 && errno != EEXIST)
        link[0] = 0; /* the tool will miss it and say so */
    free(target);
}

/* The last part of the submission's folder, as the student knows it; odd characters must
 * not reach a path of ours, nor a name that is something else there. */
static const char *label_path(const struct build *b)
{
    static char label[64];
    const char *slash = strrchr(b->submission->label, '/');
    const char *from = slash ? slash + 1 : b->submission->label;
    size_t n = 0;

    for (; *from && n < sizeof label - 1; from++)
        if ((*from >= 'a' && *from <= 'z') || (*from >= 'A' && *from <= 'Z') ||
            (*from >= '0' && *from <= '9') || *from == '-' || *from == '_')
            label[n++] = *from;
    label[n] = 0;
    return n && strcmp(label, "common") && strcmp(label, "build") ? label : "submission";
}

/* Runs a tool on the stage; shown: pairs of (file of the host, name in the kit). */
static int tool_run(struct build *b, const char *const *shown, const struct command *tool,
                    char **output)
{
    struct command c = {.count = 0};
    char out[PATH_ROOM];
    int status;

    path_make(out, "%s/out", b->stage);
    limits_begin(&c);
    if (!b->submission->no_sandbox)
        cage_begin(&c, out);
    else
        add_words(&c, (const char *const[]){"env", "-C", out, "LC_ALL=C", NULL});
    for (; *shown; shown += 2)
        if (!b->submission->no_sandbox)
            cage_show(&c, shown[0], shown[1]);
        else
            plain_show(out, shown[0], shown[1]);
    if (!b->submission->no_sandbox)
        add(&c, "--");
    for (int i = 0; i < tool->count; i++)
        add(&c, "%s", tool->argv[i]);
    status = c.cut || tool->cut ? -1 : command_run(c.argv, output, COMPILE_SECONDS);
    command_free(&c);
    return status;
}

/* Is it us? The same tool in the same cage on nothing at all has to work, and there has to
 * be room for what it makes. */
static bool tools_work(struct build *b)
{
    struct command gcc = {.count = 0};
    struct statvfs disk;
    char *output = NULL;
    int status;

    if (statvfs(b->stage, &disk) == 0 &&
        (uint64_t)disk.f_bavail * disk.f_frsize < ROOM_BYTES)
        return false;
    add_words(&gcc, (const char *const[]){"gcc", "-x", "c", "-c", "/dev/null", "-o",
                                          "probe.o", NULL});
    status = tool_run(b, (const char *const[]){NULL}, &gcc, &output);
    command_free(&gcc);
    free(output);
    return status == 0;
}

static void tools_blame(struct build *b, const char *output)
{
    b->built->ours = true;
    refuse(b, "the compiler does not work here (is the disk full? make doctor):\n%s",
           output ? output : "");
}

/* Warnings of several compilers stand one below the other. */
static void warnings_add(struct build *b, const char *output)
{
    char *before = b->built->messages;

    b->built->messages = NULL;
    refuse(b, "%s%s", before ? before : "", output);
    free(before);
}

/* What came of a compiler; frees output. */
static bool compile_end(struct build *b, int status, char *output)
{
    if (status != 0 && !tools_work(b))
        tools_blame(b, output);
    else if (status == -1)
        refuse(b, "the compiler was still busy after %d s and was stopped",
               COMPILE_SECONDS);
    else if (status != 0)
        refuse(b, "it does not compile:\n%s", output ? output : "");
    else if (output && output[0])
        warnings_add(b, output);
    free(output);
    return status == 0;
}

static bool link_end(struct build *b, int status, char *output)
{
    if (status != 0 && !tools_work(b))
        tools_blame(b, output);
    else if (status == -1)
        refuse(b, "the linker was still busy after %d s and was stopped", COMPILE_SECONDS);
    else if (status != 0)
        refuse(
            b,
            "it compiles, but does not link: a function of the contract is missing, has\n"
            "another name, or is defined twice. Compare with common/include/.\n%s",
            output ? output : "");
    free(output);
    return status == 0;
}

static bool compile(struct build *b)
{
    struct command gcc = {.count = 0};
    char source[PATH_ROOM], *output = NULL;
    const char *label = label_path(b);
    int status;

    path_make(source, "%s/src", b->stage);
    /* The names are those that the student knows, also in the compiler's messages. */
    add_words(&gcc,
              (const char *const[]){"gcc", STUDENT_FLAGS, "-Icommon/include", "-c", NULL});
    if (b->submission->sanitize)
        add_words(&gcc, (const char *const[]){SANITIZE_FLAGS, NULL});
    for (int i = 0; i < b->source_count; i++)
        if (!program_kind(&b->sources[i]))
            add(&gcc, "%s/%s/%s", label, b->sources[i].lab->name, b->sources[i].name);
    status = tool_run(b, (const char *const[]){"common", "common", source, label, NULL},
                      &gcc, &output);
    command_free(&gcc);
    return compile_end(b, status, output);
}

/* Puts a program together with ours: an ELF file, which says for `make trace` what line an
 * address is of. */
static bool program_link(struct build *b, const struct source *source)
{
    const struct program_kind *kind = program_kind(source);
    const int stem = (int)strlen(source->name) - 2;
    struct command link = {.count = 0};
    char *output = NULL;
    int status;

    add_words(&link, (const char *const[]){"gcc", "-w", "-g", PROGRAM_FLAGS, PROGRAM_LINK,
                                           "-T", kind->script, NULL});
    add_words(&link, kind->ours);
    add(&link, "%.*s.o", stem, source->name);
    add(&link, "-o");
    add(&link, "%.*s.elf", stem, source->name);
    status = tool_run(b, (const char *const[]){"common", "common", NULL}, &link, &output);
    command_free(&link);
    return link_end(b, status, output);
}

/* And as the plain bytes that go into the memory of a guest. */
static bool program_flatten(struct build *b, const struct source *source)
{
    const int stem = (int)strlen(source->name) - 2;
    struct command copy = {.count = 0};
    char *output = NULL;
    int status;

    add_words(&copy, (const char *const[]){"objcopy", "-O", "binary", NULL});
    add(&copy, "%.*s.elf", stem, source->name);
    add(&copy, "%.*s.bin", stem, source->name);
    status = tool_run(b, (const char *const[]){NULL}, &copy, &output);
    command_free(&copy);
    return link_end(b, status, output);
}

/* One program: NAME.c becomes NAME.elf and NAME.bin. First the part alone, so that the messages
 * are about it. */
static bool program_build(struct build *b, const struct source *source)
{
    const char *label = label_path(b);
    char folder[PATH_ROOM], *output = NULL;
    const char *shown[] = {"common", "common", folder, label, NULL};
    struct command gcc = {.count = 0};
    int status;

    path_make(folder, "%s/src", b->stage);
    add_words(&gcc, (const char *const[]){"gcc", STUDENT_FLAGS, PROGRAM_FLAGS, "-c", NULL});
    add(&gcc, "%s/%s/%s", label, source->lab->name, source->name);
    status = tool_run(b, shown, &gcc, &output);
    command_free(&gcc);
    return compile_end(b, status, output) && program_link(b, source) &&
           program_flatten(b, source);
}

static bool programs_build(struct build *b)
{
    bool ok = true;

    for (int i = 0; ok && i < b->source_count; i++)
        if (program_kind(&b->sources[i]))
            ok = program_build(b, &b->sources[i]);
    return ok;
}

static bool link_subject(struct build *b)
{
    static char inputs[LABS_MAX + 4][PATH_ROOM];
    struct command gcc = {.count = 0};
    const char *shown[2 * (LABS_MAX + 4) + 1] = {"build", "build", NULL};
    char *output = NULL;
    int status, count = link_inputs(b, inputs);

    for (int i = 0; !b->submission->no_sandbox && i <= count; i++)
        shown[2 * i] = shown[2 * i + 1] = i < count ? inputs[i] : NULL;
    add_words(&gcc, (const char *const[]){"gcc", "-pthread", "-o", "subject", NULL});
    if (b->submission->sanitize)
        add_words(&gcc, (const char *const[]){SANITIZE_FLAGS, NULL});
    else
        add(&gcc, "-static");
    for (int i = 0; i < b->source_count; i++)
        if (!program_kind(&b->sources[i]))
            add(&gcc, "%.*s.o", (int)strlen(b->sources[i].name) - 2, b->sources[i].name);
    add(&gcc, "-Wl,--start-group");
    for (int i = 0; i < count; i++)
        add(&gcc, "%s", inputs[i]);
    add(&gcc, "-Wl,--end-group");
    status = tool_run(b, shown, &gcc, &output);
    command_free(&gcc);
    return link_end(b, status, output);
}

/* --- together ---------------------------------------------------------------------------------------------- */

static bool stage_make(struct build *b)
{
    char path[PATH_ROOM];
    bool ok;

    path_make(b->stage, "build/tmp/build.XXXXXX");
    ok = folder_make("build/tmp") && folder_make(CACHE) && mkdtemp(b->stage);
    path_make(path, "%s/src", b->stage);
    ok = ok && folder_make(path);
    path_make(path, "%s/out", b->stage);
    ok = ok && folder_make(path);
    for (int i = 0; ok && i < b->source_count; i++) {
        path_make(path, "%s/src/%s", b->stage, b->sources[i].lab->name);
        ok = folder_make(path);
        path_make(path, "%s/src/%s/%s", b->stage, b->sources[i].lab->name,
                  b->sources[i].name);
        ok = ok && file_write(path, b->sources[i].text, b->sources[i].size);
    }
    if (!ok) {
        b->built->ours = true;
        refuse(b, "cannot write to build/: %s", strerror(errno));
    }
    return ok;
}

static bool size_check(struct build *b)
{
    char path[PATH_ROOM];
    struct stat s;

    path_make(path, "%s/out/subject", b->stage);
    if (stat(path, &s) == 0 && s.st_size <= SUBJECT_BYTES)
        return true;
    return refuse(b, "it compiles to a program of more than %u MiB", SUBJECT_BYTES >> 20);
}

/* The subject and the compiler's warnings, under the key's name: whole or not at all. */
static bool cache_store(struct build *b, const char *folder)
{
    char path[PATH_ROOM], fresh[PATH_ROOM];
    const char *warnings = b->built->messages ? b->built->messages : "";

    path_make(path, "%s/out/warnings", b->stage);
    path_make(fresh, "%s/out", b->stage);
    if (!file_write(path, warnings, strlen(warnings)) ||
        (rename(fresh, folder) < 0 && errno != EEXIST && errno != ENOTEMPTY)) {
        b->built->ours = true;
        return refuse(b, "cannot write to build/: %s", strerror(errno));
    }
    return true;
}

static bool cache_find(struct built *built, const char *folder)
{
    char path[PATH_ROOM];

    path_make(built->subject, "%s/subject", folder);
    if (access(built->subject, R_OK) < 0)
        return false;
    path_make(path, "%s/warnings", folder);
    free(built->messages);
    built->messages = file_read(path, SIZE_MAX, NULL);
    return true;
}

void subject_build(struct built *built, const struct lab *lab, const struct labs *labs,
                   const struct submission *submission, const char *dispatcher)
{
    struct build b = {.lab = lab,
                      .labs = labs,
                      .submission = submission,
                      .dispatcher = dispatcher,
                      .built = built};
    char key[33], folder[PATH_ROOM];

    *built = (struct built){.ok = false};
    if (submission->no_sandbox && !submission->trusted) {
        built->ours = true;
        refuse(&b, "submissions are only compiled in a sandbox: %s",
               submission->no_sandbox);
        return;
    }
    if (sources_read(&b)) {
        key_make(&b, key);
        path_make(folder, CACHE "/%s", key);
        built->ok = cache_find(built, folder);
        if (!built->ok && stage_make(&b))
            built->ok = compile(&b) && programs_build(&b) && link_subject(&b) &&
                        size_check(&b) && cache_store(&b, folder) &&
                        cache_find(built, folder);
        if (b.stage[0])
            folder_remove(b.stage);
    }
    for (int i = 0; i < b.source_count; i++)
        free(b.sources[i].text);
}

struct submission submission_from(const struct settings *s)
{
    return (struct submission){
        .folder = s->from,
        .label = s->from,
        .own = s->own ? s->from : NULL,
        .sanitize = s->sanitize != NULL,
        .trusted = strcmp(s->from, "labs") == 0 || strcmp(s->from, "solutions") == 0,
    };
}

void built_free(struct built *built)
{
    free(built->messages);
    built->messages = NULL;
}
