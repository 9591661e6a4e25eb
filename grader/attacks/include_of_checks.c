/* lab: 1
 * tries: have the compiler's messages show the checks
 * says: No such file or directory
 * end of description */
#include "../grader/checks/01-kvm-open.c"
