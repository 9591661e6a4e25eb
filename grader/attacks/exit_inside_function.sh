# lab: 1
# tries: leave in the middle of the function under test, as if all were well
# says: it ended before answering, with exit status 0
# end of description
sed -i 's/return -ENOSYS;/_exit(0);/' kvm_open.c
