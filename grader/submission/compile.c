/* compile.c - compiler and linker, and what their end means. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "lib/host.h"
#include "lib/names.h"
#include "submission/build.h"

#define ROOM_BYTES (16u << 20) /* what a build may need on the disk */

#define SANITIZE_FLAGS "-fsanitize=address,undefined", "-fno-sanitize-recover=all"

/* The last part of the submission's folder, as the student knows it, but for odd characters. It
 * must not be a name of ours in the cage, nor look like an option. */
const char *label_path(const struct build *b)
{
    static const char *const ours[] = {"common", "build", "subject", "warnings",
                                       "manifest"};
    static char label[2 + NAME_ROOM] = "./";
    char *plain = label + 2;

    name_plain(plain, name_last(b->submission->label));
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (strcmp(plain, ours[i]) == 0)
            return "submission";
    if (plain[strspn(plain, "_")] == 0)
        return "submission";
    return plain[0] == '-' ? label : plain;
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
    command_add_words(&gcc, (const char *const[]){X86_TOOL("gcc"), "-x", "c", "-c",
                                                  "/dev/null", "-o", "probe.o", NULL});
    status = tool_run(b, (const char *const[]){NULL}, &gcc, &output);
    command_free(&gcc);
    free(output);
    return status == 0;
}

static void tools_blame(struct build *b, const char *output)
{
    b->built->ours = true;
    build_refuse(b, "the compiler does not work here (is the disk full? make doctor):\n%s",
                 output ? output : "");
}

/* Warnings of several compilers stand one below the other. */
static void warnings_add(struct build *b, const char *output)
{
    char *before = b->built->messages;

    b->built->messages = NULL;
    build_refuse(b, "%s%s", before ? before : "", output);
    free(before);
}

/* Files that the student may have counted on: only the parts are taken. */
static void helpers_mention(struct build *b)
{
    char *helpers = beside_helpers(b->submission->folder, b->lab), *before;

    if (helpers) {
        before = b->built->messages;
        b->built->messages = NULL;
        build_refuse(b,
                     "%s\nBeside it lies %s, which is not taken: what a part needs has to "
                     "stand in it.\n",
                     before ? before : "", helpers);
        free(before);
    }
    free(helpers);
}

/* Did it take too long? Then says so. (A compiler's own process ends at its limit of CPU time; the
 * driver reports that.) */
static bool stopped_explain(struct build *b, const char *tool, int status,
                            const char *output)
{
    b->built->ours = status == COMMAND_STARVED;
    if (b->built->ours)
        build_refuse(b, "this computer was too busy: the %s got hardly any processor",
                     tool);
    else if (status == -1 || (output && strstr(output, "CPU time limit exceeded")))
        build_refuse(b, "the %s was still busy after %d s and was stopped", tool,
                     COMPILE_SECONDS);
    else
        return false;
    return true;
}

/* What came of a compiler; frees output. */
bool compile_end(struct build *b, int status, char *output)
{
    if (status != 0 && status != COMMAND_STARVED && !tools_work(b))
        tools_blame(b, output);
    else if (status != 0 && stopped_explain(b, "compiler", status, output))
        ;
    else if (status != 0)
        build_refuse(b, "it does not compile:\n%s", output ? output : "");
    else if (output && output[0])
        warnings_add(b, output);
    if (status != 0 && !b->built->ours)
        helpers_mention(b);
    free(output);
    return status == 0;
}

bool link_end(struct build *b, int status, char *output)
{
    if (status != 0 && status != COMMAND_STARVED && !tools_work(b))
        tools_blame(b, output);
    else if (status != 0 && stopped_explain(b, "linker", status, output))
        ;
    else if (status != 0)
        build_refuse(
            b,
            "it compiles, but does not link: a function of the contract is missing, has\n"
            "another name, or is defined twice; or one is called that belongs to a later "
            "lab\n"
            "(only the parts of earlier ones are there). Compare with common/include/.\n%s",
            output ? output : "");
    if (status != 0 && !b->built->ours)
        helpers_mention(b);
    free(output);
    return status == 0;
}

bool subject_compile(struct build *b)
{
    struct command gcc = {.count = 0};
    char source[PATH_ROOM], *output = NULL;
    const char *label = label_path(b);
    int status;

    path_make(source, "%s/src", b->stage);
    /* The names are those that the student knows, also in the compiler's messages. */
    command_add_words(&gcc, (const char *const[]){X86_TOOL("gcc"), STUDENT_FLAGS,
                                                  "-Icommon/include", "-c", NULL});
    if (b->submission->sanitize)
        command_add_words(&gcc, (const char *const[]){SANITIZE_FLAGS, NULL});
    if (b->submission->debug)
        command_add(&gcc, "-O0");
    for (int i = 0; i < b->source_count; i++)
        if (!program_kind(&b->sources[i]))
            command_add(&gcc, "%s/%s/%s", label, b->sources[i].lab->name,
                        b->sources[i].name);
    status = tool_run(b, (const char *const[]){"common", "common", source, label, NULL},
                      &gcc, &output);
    command_free(&gcc);
    return compile_end(b, status, output);
}

bool subject_link(struct build *b)
{
    static char inputs[INPUTS_MAX][PATH_ROOM];
    struct command gcc = {.count = 0};
    const char *shown[2 * INPUTS_MAX + 1];
    char *output = NULL;
    int status, count = link_inputs(b, inputs);

    for (int i = 0; i <= count; i++)
        shown[2 * i] = shown[2 * i + 1] = i < count ? inputs[i] : NULL;
    command_add_words(&gcc, (const char *const[]){X86_TOOL("gcc"), LINK_FLAGS, "-pthread",
                                                  "-o", "subject", NULL});
    if (b->submission->sanitize)
        command_add_words(&gcc, (const char *const[]){SANITIZE_FLAGS, NULL});
    else
        command_add_words(
            &gcc, (const char *const[]){"-static", "-Wl,--no-dynamic-linker", NULL});
    for (int i = 0; i < b->source_count; i++)
        if (!program_kind(&b->sources[i]))
            command_add(&gcc, "%.*s.o", (int)strlen(b->sources[i].name) - 2,
                        b->sources[i].name);
    command_add(&gcc, "-Wl,--start-group");
    for (int i = 0; i < count; i++)
        command_add(&gcc, "%s", inputs[i]);
    command_add(&gcc, "-Wl,--end-group");
    status = tool_run(b, shown, &gcc, &output);
    command_free(&gcc);
    return link_end(b, status, output);
}
