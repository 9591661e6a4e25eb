/* program.c - a part that is a program of its own. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "lib/host.h"
#include "submission/build.h"

/* A program without an operating system below it: no library, no SSE, no red zone (an interrupt
 * may come at any time), at a fixed address, as plain bytes. */
#define PROGRAM_FLAGS                                                                      \
    "-m64", "-ffreestanding", "-fno-pic", "-fno-pie", "-fno-stack-protector",              \
        "-fno-asynchronous-unwind-tables", "-fno-tree-loop-distribute-patterns",           \
        "-mno-red-zone", "-mgeneral-regs-only", "-Icommon/include", "-Icommon/silicon",    \
        "-Icommon/guest"
#define PROGRAM_LINK "-nostdlib", "-static", "-Wl,--build-id=none,-z,noexecstack"

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

static bool name_ends(const char *name, const char *suffix)
{
    size_t n = strlen(name), s = strlen(suffix);

    return n > s && strcmp(name + n - s, suffix) == 0;
}

const struct program_kind *program_kind(const struct source *source)
{
    for (size_t i = 0; i < sizeof program_kinds / sizeof program_kinds[0]; i++)
        if (name_ends(source->name, program_kinds[i].suffix))
            return &program_kinds[i];
    return NULL;
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

    command_add_words(&link, (const char *const[]){X86_TOOL("gcc"), LINK_FLAGS, "-w", "-g",
                                                   PROGRAM_FLAGS, PROGRAM_LINK, "-T",
                                                   kind->script, NULL});
    command_add_words(&link, kind->ours);
    command_add(&link, "%.*s.o", stem, source->name);
    command_add(&link, "-o");
    command_add(&link, "%.*s.elf", stem, source->name);
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

    command_add_words(&copy,
                      (const char *const[]){X86_TOOL("objcopy"), "-O", "binary", NULL});
    command_add(&copy, "%.*s.elf", stem, source->name);
    command_add(&copy, "%.*s.bin", stem, source->name);
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
    command_add_words(&gcc, (const char *const[]){X86_TOOL("gcc"), STUDENT_FLAGS,
                                                  PROGRAM_FLAGS, "-c", NULL});
    command_add(&gcc, "%s/%s/%s", label, source->lab->name, source->name);
    status = tool_run(b, shown, &gcc, &output);
    command_free(&gcc);
    return compile_end(b, status, output) && program_link(b, source) &&
           program_flatten(b, source);
}

bool programs_build(struct build *b)
{
    bool ok = true;

    for (int i = 0; ok && i < b->source_count; i++)
        if (program_kind(&b->sources[i]))
            ok = program_build(b, &b->sources[i]);
    return ok;
}
