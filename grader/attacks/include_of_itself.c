/* lab: 1
 * tries: keep the preprocessor busy for ever: each of its 200 levels includes itself twice
 * says: error: redefinition of
 * says: the compiler was still busy
 * end of description */
#include "kvm_open.c"
