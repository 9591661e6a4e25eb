/* trace_text.h - a recorded run as text: a row a round (rounds.h). */
#ifndef TRACE_TEXT_H
#define TRACE_TEXT_H

#include <stddef.h>

struct kvm_events;

/* Prints the exits, each with who answered it and how long that took, then totals and a legend.
 * Rows in the middle of a long run are left out. at: the number of the exit where the check
 * failed (its row is marked), or 0. */
void trace_text_print(const struct kvm_events *events, size_t at);

/* How many exits there were, what came back to the VMM, and who had the processor. */
void trace_totals_print(const struct kvm_events *events);

/* What a check kept for a page ("KIND\n" and JSON), as lines: a list's items are numbered as the
 * page numbers them. */
void view_text_print(const char *kept);

#endif
