import ArgumentParser

/// A size as the user writes it: `4096`, `100M`, `1.5Gi`, with or without `B` behind it.
struct ByteSize: ExpressibleByArgument, Hashable {
    var byteCount: UInt64

    init?(argument: String) {
        guard let (_, number, unit) = ByteUnit.split(argument),
            let factor = ByteUnit.factor(of: unit.hasSuffix("B") ? unit.dropLast() : unit)
        else { return nil }
        let size = number * factor
        guard size >= 1, size < 0x1p63 else { return nil }
        byteCount = UInt64(size)
    }
}
