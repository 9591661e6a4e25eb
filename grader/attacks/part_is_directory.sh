# lab: 1
# tries: be no file at all
# says: 01-kvm-open/kvm_open.c is not a regular file
# end of description
rm kvm_open.c
mkdir kvm_open.c
