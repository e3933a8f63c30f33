import ArgumentParser

/// A size as the user writes it: `4096`, `100M`, `1.5G`. The units are binary; `MiB` and `MB` mean the same as `M`.
struct ByteSize: ExpressibleByArgument, Hashable {
    var byteCount: UInt64

    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        var unit = argument.dropFirst(digits.count).lowercased()
        for ending in ["ib", "b"] where unit.count > 1 && unit.hasSuffix(ending) { unit.removeLast(ending.count) }
        guard let power = ["", "k", "m", "g", "t"].firstIndex(of: unit == "b" ? "" : unit), let number = Double(digits)
        else { return nil }
        var size = number
        for _ in 0..<power { size *= 1024 }
        guard size >= 1, size < 0x1p63 else { return nil }
        byteCount = UInt64(size)
    }
}
