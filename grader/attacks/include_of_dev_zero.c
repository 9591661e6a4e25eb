/* lab: 1
 * tries: have the compiler read a file without an end
 * says: /dev/zero
 * says: the compiler was still busy
 * says: memory
 * end of description */
#include "/dev/zero"
