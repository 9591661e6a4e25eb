// pci.asl - where there is a PCI bus: its numbers, its window of memory, and to which input of
// the I/O APIC the device at 00:05.0 is wired (INTA to 11).
DefinitionBlock ("", "SSDT", 2, "NRM   ", "PCI     ", 1)
{
    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Name (_CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
                    0, 0, 0, 0, 1)
                IO (Decode16, 0x0CF8, 0x0CF8, 1, 8)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable,
                    ReadWrite, 0, 0xE0000000, 0xEFFFFFFF, 0, 0x10000000)
            })
            Name (_PRT, Package () { Package () { 0x0005FFFF, 0, 0, 11 } })
        }
    }
}
