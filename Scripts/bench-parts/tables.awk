# Markdown from the figures of all runs, each figure the median of its rounds.
#   awk -F '\t' -v table=NAME -f tables.awk FIGURES
# rate, cpu, peak, first-byte, round-trip: a line for each tool, a column for each link. carriers, networks: a line for
# each. shares: a line for each pair. forwards: a line for each path.
#
# Columns of FIGURES: part, place (a link, network or pair), tool, MiB, Mbit/s, seconds to the first byte and of the whole
# command, CPU seconds per GiB of sender and receiver, peak MiB of both, round trip in ms, "cut" if the time ran out; for
# shares, 5 and 6 are what each got, in Mbit/s; for forwards, 4 and 5 are connections a second one after the other and 16 at
# a time, 6 and 7 microseconds that forward and pipe add to a round trip, 8 and 9 KiB for an idle connection at the side
# that listens for programs and at the other, and 10 is one connection's rate in Mbit/s.

function median(place, tool, column,    n, i, j, value, values) {
    n = split(all[place, tool, column], values, " ")
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && values[j - 1] + 0 > values[j] + 0; j--) {
            value = values[j]; values[j] = values[j - 1]; values[j - 1] = value
        }
    return n % 2 || !n ? values[int((n + 1) / 2)] : sprintf("%.4g", (values[n / 2] + values[n / 2 + 1]) / 2)
}

# Four digits are more than can be relied on.
function shown(value) { return value == "" ? "" : value + 0 >= 100 ? sprintf("%.0f", value) : sprintf("%.3g", value) }

function pair(place, tool, column,    first) {
    first = shown(median(place, tool, column))
    return first == "" ? "" : first " / " shown(median(place, tool, column + 1))
}

function cell(place, tool,    value) {
    if (table == "cpu") return pair(place, tool, 8)
    if (table == "peak") return pair(place, tool, 10)
    if (table == "first-byte") return shown(median(place, tool, 6))
    if (table == "round-trip") return shown(median(place, tool, 12))
    value = shown(median(place, tool, 5))
    return value (cut[place, tool] ? "*" : "")
}

function rule(columns,    i, line) {
    line = "|---|"
    for (i = 0; i < columns; i++) line = line "---:|"
    print line
}

function print_matrix(    i, j, line, any) {
    line = "| |"
    for (j = 1; j <= places; j++) line = line " " place[j] " |"
    print line
    rule(places)
    for (i = 1; i <= tools; i++) {
        line = "| " tool[i] " |"
        any = 0
        for (j = 1; j <= places; j++) {
            value = cell(place[j], tool[i])
            any = any || value != ""
            line = line " " (value == "" ? "–" : value) " |"
        }
        if (any) print line
    }
}

function print_list(    i, j) {
    print "| | Mbit/s | s to first byte | CPU s/GiB, sender / receiver | peak MiB, sender / receiver |"
    rule(4)
    for (j = 1; j <= places; j++)
        for (i = 1; i <= tools; i++)
            if ((place[j], tool[i], 5) in all)
                print "| " (table == "carriers" ? "" : place[j] ": ") tool[i] " | " shown(median(place[j], tool[i], 5)) \
                    " | " shown(median(place[j], tool[i], 6)) " | " pair(place[j], tool[i], 8) " | " \
                    pair(place[j], tool[i], 10) " |"
}

function print_shares(    j, first, second) {
    print "| on one link | first, Mbit/s | second, Mbit/s | share of the first |"
    rule(3)
    for (j = 1; j <= places; j++) {
        first = median(place[j], "", 5)
        second = median(place[j], "", 6)
        printf "| %s | %s | %s | %.0f %% |\n", place[j], shown(first), shown(second), 100 * first / (first + second)
    }
}

function print_forwards(    j) {
    print "| | connections/s, one after the other / 16 at a time | added to a round trip, forward / pipe, ms |" \
        " KiB for an idle one, here / there | one, Mbit/s |"
    rule(4)
    for (j = 1; j <= places; j++)
        print "| " place[j] " | " pair(place[j], "", 4) " | " milliseconds(place[j], 6) " / " milliseconds(place[j], 7) \
            " | " pair(place[j], "", 8) " | " shown(median(place[j], "", 10)) " |"
}

function milliseconds(place, column) { return sprintf("%.2f", median(place, "", column) / 1000) }

BEGIN { part = table ~ /^(carriers|forwards|networks|shares)$/ ? table : "links" }
$1 == part {
    if (!($2 in known_place)) { known_place[$2] = 1; place[++places] = $2 }
    if (!($3 in known_tool)) { known_tool[$3] = 1; tool[++tools] = $3 }
    for (column = 4; column <= 12; column++) if ($column != "") all[$2, $3, column] = all[$2, $3, column] " " $column
    if ($13 == "cut") cut[$2, $3] = 1
}
END {
    if (!places) exit
    if (part == "links") print_matrix()
    else if (part == "shares") print_shares()
    else if (part == "forwards") print_forwards()
    else print_list()
}
