# lab: 1
# tries: let the reader wait for ever
# says: 01-kvm-open/kvm_open.c is not a regular file
# end of description
rm kvm_open.c
mkfifo kvm_open.c
