# lab: 1
# tries: nothing; it has forgotten the file
# says: 01-kvm-open/kvm_open.c is not there
# end of description
rm kvm_open.c
