/* names.h - names that other people chose (folders, files), on their way to a screen, into a file
 * name or to a shell. */
#ifndef NAMES_H
#define NAMES_H

/* The last part of a path. */
const char *name_last(const char *path);

/* As it can stand in a line of text: UTF-8, nothing that a terminal obeys, no line ends ('?'
 * instead). Caller frees; NULL: no memory. */
char *name_clean(const char *name);

/* As a part of a file name of ours: letters and digits of any script, '-' and '_'; all else
 * becomes '_'. At most NAME_CHARACTERS of them. */
#define NAME_CHARACTERS 40
#define NAME_ROOM       (4 * NAME_CHARACTERS + 1)
void name_plain(char plain[NAME_ROOM], const char *name);

/* As a word of a command that is pasted into a shell, for make or without it; as it is where
 * nothing has to be quoted. Caller frees; NULL: no memory. */
char *name_quote(const char *name);

#endif
