package binlog

import (
	"encoding/hex"
	"strconv"
)

// appendUUID appends a UUID of MariaDB. Those with a time in them are kept with their five
// parts in reverse order, so that they sort by it.
func appendUUID(b []byte, data [16]byte) []byte {
	if data[6]&0x80 != 0 && data[8] > 0 && data[8] < 0x60 {
		var turned [16]byte
		copy(turned[0:], data[12:16])
		copy(turned[4:], data[10:12])
		copy(turned[6:], data[8:10])
		copy(turned[8:], data[6:8])
		copy(turned[10:], data[0:6])
		data = turned
	}
	return AppendUUID(b, data)
}

// AppendUUID appends a UUID as it is.
func AppendUUID(b []byte, data [16]byte) []byte {
	b = hex.AppendEncode(b, data[:4])
	for _, part := range [][]byte{data[4:6], data[6:8], data[8:10], data[10:16]} {
		b = hex.AppendEncode(append(b, '-'), part)
	}
	return b
}

// appendInet4 appends an INET4 as MariaDB prints it.
func appendInet4(b, data []byte) []byte {
	for i, part := range data {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendUint(b, uint64(part), 10)
	}
	return b
}

// appendInet6 appends an INET6 as MariaDB prints it: the first of the longest runs of zeros is
// left out, even if it is but one, and addresses that hold one of version 4 end in that.
func appendInet6(b []byte, data [16]byte) []byte {
	var words [8]uint64
	for i := range words {
		words[i] = big(data[2*i : 2*i+2])
	}
	gap, length := longestZeros(words)
	for i := 0; i < len(words); i++ {
		switch {
		case i == gap:
			if i == 0 {
				b = append(b, ':')
			}
			b = append(b, ':')
			i += length - 1
		case i == 6 && gap == 0 && (length == 6 || length == 5 && words[5] == 0xffff):
			return appendInet4(b, data[12:])
		default:
			b = strconv.AppendUint(b, words[i], 16)
			if i+1 != len(words) {
				b = append(b, ':')
			}
		}
	}
	return b
}

func longestZeros(words [8]uint64) (gap, length int) {
	gap = -1
	for i := 0; i < len(words); i++ {
		n := 0
		for i+n < len(words) && words[i+n] == 0 {
			n++
		}
		if n > length {
			gap, length = i, n
		}
		i += n
	}
	return gap, length
}
