// Module FileTransfer.
