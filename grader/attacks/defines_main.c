/* lab: 1
 * tries: be the whole program
 * says: multiple definition of `main'
 * end of description */
int main(void)
{
    return 0;
}
