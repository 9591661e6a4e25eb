// dsdt.asl - what the board has that a kernel cannot find out by asking: the serial port's
// interrupt, and how the machine is switched off.
DefinitionBlock ("", "DSDT", 2, "NRM   ", "BOARD   ", 1)
{
    Name (\_S5, Package () { 5, 5, 0, 0 })
    Scope (\_SB)
    {
        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x3F8, 0x3F8, 1, 8)
                IRQNoFlags () { 4 }
            })
        }
    }
}
