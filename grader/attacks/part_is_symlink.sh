# lab: 1
# tries: hand in the solution by a link to it
# says: 01-kvm-open/kvm_open.c is a symbolic link; hand in the file itself
# end of description
ln -sf ../../../../solutions/01-kvm-open/kvm_open.c kvm_open.c
