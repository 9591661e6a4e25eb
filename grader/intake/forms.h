/* forms.h - inside of the room intake/: what the names of platforms say. */
#ifndef FORMS_H
#define FORMS_H

#include "intake/intake.h"

/* Takes a platform's name apart: fills *handin (all but its items), and *rest with the name of
 * the student's file without what the platform put in front ("": a folder). False: it is no
 * platform's name that we know. */
bool name_parse(const char *name, struct handin *handin, char **rest);

/* Is the folder a git checkout? When was its last commit (0: not known)? */
bool checkout_is(const char *path);
time_t checkout_time(const char *path);
/* How many bytes all names have in common at their beginning, up to a '-'. */
size_t prefix_common(char *const *names, size_t count);

/* Whose is a folder submission_N? From the text of submission_metadata.yml: a hand-in for each of
 * the group, without items. Returns how many; 0: it is not in there. */
size_t gradescope_read(const char *text, const char *name, struct handin *list,
                       size_t room);

#endif
