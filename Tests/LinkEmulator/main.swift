// Placeholder replaced by the emulator itself.
