// Module Jingle.
