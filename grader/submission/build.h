/* build.h - inside of the room submission/: one build on its way from sources to the subject. */
#ifndef BUILD_H
#define BUILD_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/command.h"
#include "submission/submission.h"

#define SOURCES_MAX (LABS_MAX * PARTS_MAX)

/* A part's text, as it was when it was taken: what lies in the folder later does not count. */
struct source {
    const struct lab *lab;
    const char *name;
    char *text;
    size_t size;
};

struct build {
    const struct lab *lab;
    const struct labs *labs;
    const struct submission *submission;
    const char *dispatcher;
    struct source sources[SOURCES_MAX];
    int source_count;
    char stage[PATH_ROOM]; /* scratch: src/, out/ */
    char *label;           /* the folder's name, as it is shown */
    struct built *built;
};

/* Says why there is no subject (or, with `ours` set, what is wrong with us). Returns false. */
bool build_refuse(struct build *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- sources.c ------------------------------------------------------------------------------- */

/* Takes the part files: regular files, of a part's size, text. False: refused. */
bool sources_read(struct build *b);
void sources_free(struct build *b);
/* A name for what was taken, byte by byte: results are filed under it. */
void sources_key(const struct build *b, char key[33]);
/* With OWN=1, the student's earlier parts take the place of the reference's. */
bool lab_is_own(const struct build *b, const struct lab *other);

/* --- beside.c -------------------------------------------------------------------------------- */

/* Of a part that is missing: a sentence with the files in `root` that look like it (another name,
 * another folder). Caller frees; NULL: there are none. */
char *beside_part(const char *root, const struct lab *lab, const char *part);

/* Of a lab's folder: the C files and headers in it that are not its parts, "a.h, b.c". Caller
 * frees; NULL: there are none. */
char *beside_helpers(const char *root, const struct lab *lab);

/* --- cage.c ---------------------------------------------------------------------------------- */

#define COMPILE_SECONDS 30
/* Runs a tool on the stage, with nothing in sight but itself and what is shown: pairs of (file
 * of the host, its name there), ended by NULL. Returns its status, or what command_run() says of
 * one that was still busy after COMPILE_SECONDS. */
int tool_run(struct build *b, const char *const *shown, const struct command *tool,
             char **output);

/* --- compile.c ------------------------------------------------------------------------------- */

#define STUDENT_FLAGS                                                                      \
    "-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-fdiagnostics-color=never",            \
        "-fmax-errors=20"

/* The linker runs nothing but itself: no plugin, no compiler for what it might find in an object. */
#define LINK_FLAGS "-fno-lto", "-fno-use-linker-plugin"

/* The folder's name in the compiler's messages: the student's own. */
const char *label_path(const struct build *b);

/* What came of a compiler, or of a linker; frees output. False: refused. */
bool compile_end(struct build *b, int status, char *output);
bool link_end(struct build *b, int status, char *output);

bool subject_compile(struct build *b);
bool subject_link(struct build *b);

/* --- program.c ------------------------------------------------------------------------------- */

/* A part that is no piece of the subject but a program for a CPU without an operating system:
 * its name says for which. It is compiled and linked by itself, with our start code. */
struct program_kind {
    const char *suffix; /* of the part's name */
    const char *script; /* where it is linked to */
    const char *ours[4];
};

/* NULL: it is a piece of the subject. */
const struct program_kind *program_kind(const struct source *source);

/* NAME.c becomes NAME.elf and NAME.bin, for each of them. */
bool programs_build(struct build *b);

/* --- inputs.c -------------------------------------------------------------------------------- */

#define INPUTS_MAX (LABS_MAX + 5)

/* What is linked beside the part, as paths from the kit's top folder; how many. */
int link_inputs(const struct build *b, char inputs[INPUTS_MAX][PATH_ROOM]);
/* A name for all that the subject is made from. */
void build_key(const struct build *b, char key[33]);

#endif
