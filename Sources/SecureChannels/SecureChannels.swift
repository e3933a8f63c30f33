// Module SecureChannels.
