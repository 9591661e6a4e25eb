/* lab: 1
 * tries: have the compiler fetch the solution
 * says: No such file or directory
 * end of description */
#include "../../solutions/01-kvm-open/kvm_open.c"
#include "/kit/solutions/01-kvm-open/kvm_open.c"
