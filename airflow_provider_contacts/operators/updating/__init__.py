"""How the contacts of one connection are updated."""
