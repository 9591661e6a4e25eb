/* status.h - exit status of the grader program, and of its workers. */
#ifndef STATUS_H
#define STATUS_H

enum {
    EXIT_ALL = 0,    /* all points */
    EXIT_POINTS = 1, /* points are missing */
    EXIT_USAGE = 2,
    EXIT_GRADER = 3, /* our fault: nobody loses a point */
};

#endif
