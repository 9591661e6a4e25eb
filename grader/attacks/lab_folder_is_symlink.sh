# lab: 1
# tries: hand in the solution by a link to its folder
# says: it is not a real folder
# end of description
cd .. && rm -r 01-kvm-open && ln -s ../../../solutions/01-kvm-open 01-kvm-open
