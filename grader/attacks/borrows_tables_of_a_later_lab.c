/* lab: 5
 * tries: let the shadow tables of lab 10 find the page
 * says: undefined reference to `nested_ept_violation'
 * end of description */

/* (of whatever type: the linker does not ask) */
extern int nested_ept_violation();

__attribute__((constructor)) static void borrow(void)
{
    nested_ept_violation(0, 0, 0);
}
