/* class_name.h - for verbs about all submissions of a course. */
#ifndef CLASS_NAME_H
#define CLASS_NAME_H

#include <stdbool.h>

#include "lib/settings.h"

/* Is SUBMISSIONS= a folder? Then the class' name: NAME=, or what that folder is called, in letters,
 * digits, '-', '_' and '.'. False after saying what is wrong. */
bool class_name_choose(char name[100], const struct settings *s);

#endif
