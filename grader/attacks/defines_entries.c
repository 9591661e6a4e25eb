/* lab: 1
 * tries: replace what the dispatcher would call
 * says: multiple definition of `subject_entries'
 * end of description */
extern void (*const subject_entries[2])(void *);
void (*const subject_entries[2])(void *);
