package binlog

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
)

// Types of a value in MySQL's binary form of JSON.
const (
	jsonSmallObject = 0x00
	jsonLargeObject = 0x01
	jsonSmallArray  = 0x02
	jsonLargeArray  = 0x03
	jsonLiteral     = 0x04
	jsonInt16       = 0x05
	jsonUint16      = 0x06
	jsonInt32       = 0x07
	jsonUint32      = 0x08
	jsonInt64       = 0x09
	jsonUint64      = 0x0a
	jsonDouble      = 0x0b
	jsonString      = 0x0c
	jsonOpaque      = 0x0f
)

// jsonDepth is how deep the servers let documents be. A scalar counts.
const jsonDepth = 100

// jsonPrinter prints a document as the server does.
type jsonPrinter struct {
	text []byte
	// budget is how many bytes of the document were not printed yet. Every value has bytes of
	// its own, so a small document cannot be printed as a huge one.
	budget int
	depth  int
}

var errJSON = fmt.Errorf("binary JSON: %w", ErrMalformed)

// appendJSONDocument appends the text of a document.
func appendJSONDocument(text, data []byte) ([]byte, error) {
	if len(data) == 0 { // what an INSERT IGNORE may leave
		return append(text, "null"...), nil
	}
	p := jsonPrinter{text: text, budget: len(data)}
	if err := p.value(data[0], data[1:]); err != nil {
		return text, err
	}
	return p.text, nil
}

// spend counts bytes that are printed.
func (p *jsonPrinter) spend(n int) error {
	if p.budget -= n; p.budget < 0 {
		return errJSON
	}
	return nil
}

// value prints the value of a type that begins where data does. What follows it is in data
// too.
func (p *jsonPrinter) value(kind byte, data []byte) error {
	if p.depth++; p.depth > jsonDepth {
		return errJSON
	}
	defer func() { p.depth-- }()
	if size := jsonFixed(kind); size > 0 {
		if size > len(data) {
			return errJSON
		}
		if err := p.spend(1); err != nil {
			return err
		}
		return p.fixed(kind, data[:size])
	}
	switch kind {
	case jsonSmallObject, jsonLargeObject, jsonSmallArray, jsonLargeArray:
		return p.container(kind, data)
	case jsonString:
		content, err := p.content(data)
		if err != nil {
			return err
		}
		p.text = appendJSONString(p.text, content)
		return nil
	case jsonOpaque:
		if len(data) == 0 {
			return errJSON
		}
		content, err := p.content(data[1:])
		if err != nil {
			return err
		}
		return p.opaque(data[0], content)
	}
	return errJSON
}

// jsonFixed returns how many bytes a scalar has that has always as many, 0 for others.
func jsonFixed(kind byte) int {
	switch kind {
	case jsonLiteral:
		return 1
	case jsonInt16, jsonUint16:
		return 2
	case jsonInt32, jsonUint32:
		return 4
	case jsonInt64, jsonUint64, jsonDouble:
		return 8
	}
	return 0
}

func (p *jsonPrinter) fixed(kind byte, data []byte) error {
	n := little(data)
	unused := 64 - 8*len(data)
	switch kind {
	case jsonLiteral:
		switch n {
		case 0:
			p.text = append(p.text, "null"...)
		case 1:
			p.text = append(p.text, "true"...)
		case 2:
			p.text = append(p.text, "false"...)
		default:
			return errJSON
		}
	case jsonInt16, jsonInt32, jsonInt64:
		p.text = strconv.AppendInt(p.text, int64(n<<unused)>>unused, 10)
	case jsonUint16, jsonUint32, jsonUint64:
		p.text = strconv.AppendUint(p.text, n, 10)
	case jsonDouble:
		var ok bool
		if p.text, ok = appendJSONDouble(p.text, n); !ok {
			return errJSON
		}
	}
	return nil
}

// content returns what follows its length, which is kept in bytes of seven bits, the low ones
// first.
func (p *jsonPrinter) content(data []byte) ([]byte, error) {
	length := uint64(0)
	for i := 0; i < 5 && i < len(data); i++ {
		length |= uint64(data[i]&0x7f) << (7 * i)
		if data[i]&0x80 != 0 {
			continue
		}
		data = data[i+1:]
		if length > uint64(len(data)) {
			return nil, errJSON
		}
		return data[:length], p.spend(i + 1 + int(length))
	}
	return nil, errJSON
}

// container prints an object or an array: how many members it has and how many bytes, where
// the keys are and how long, the types of the values and where they are, and then the keys and
// the values. Scalars that fit are where their places would be.
func (p *jsonPrinter) container(kind byte, data []byte) error {
	wide := 2
	if kind == jsonLargeObject || kind == jsonLargeArray {
		wide = 4
	}
	if len(data) < 2*wide {
		return errJSON
	}
	count, size := little(data[:wide]), little(data[wide:2*wide])
	if size > uint64(len(data)) {
		return errJSON
	}
	data = data[:size]
	isObject := kind == jsonSmallObject || kind == jsonLargeObject
	keyEntry, entry := 0, 1+wide
	if isObject {
		keyEntry = wide + 2
	}
	head := uint64(2*wide) + count*uint64(keyEntry+entry)
	if head > size {
		return errJSON
	}
	if err := p.spend(2 * wide); err != nil {
		return err
	}
	keys := data[2*wide:]
	values := keys[int(count)*keyEntry:]
	if isObject {
		p.text = append(p.text, '{')
	} else {
		p.text = append(p.text, '[')
	}
	for i := range int(count) {
		if i > 0 {
			p.text = append(p.text, ", "...)
		}
		if isObject {
			at := keys[i*keyEntry : (i+1)*keyEntry]
			if err := p.key(data, little(at[:wide]), little(at[wide:])); err != nil {
				return err
			}
		}
		if err := p.member(data, values[i*entry:(i+1)*entry], wide); err != nil {
			return err
		}
	}
	if isObject {
		p.text = append(p.text, '}')
	} else {
		p.text = append(p.text, ']')
	}
	return nil
}

func (p *jsonPrinter) key(data []byte, at, length uint64) error {
	if at+length > uint64(len(data)) {
		return errJSON
	}
	p.text = appendJSONString(p.text, data[at:at+length])
	p.text = append(p.text, ": "...)
	return p.spend(int(length) + 2)
}

// member prints a value of a container from its entry.
func (p *jsonPrinter) member(data, entry []byte, wide int) error {
	kind := entry[0]
	if size := jsonFixed(kind); size > 0 && size <= wide {
		return p.value(kind, entry[1:])
	}
	at := little(entry[1:])
	if at > uint64(len(data)) {
		return errJSON
	}
	return p.value(kind, data[at:])
}

// base64Line is how many bytes the server prints in one line of base 64.
const base64Line = 57

// opaque prints a value that JSON has no form for: decimals as numbers, times as texts, all
// else in base 64 with the number of its type.
func (p *jsonPrinter) opaque(kind byte, content []byte) error {
	switch kind {
	case TypeNewDecimal:
		if len(content) < 2 {
			return errJSON
		}
		var err error
		p.text, err = appendDecimal(p.text, int(content[0]), int(content[1]), content[2:])
		return err
	case TypeDate, TypeTime, TypeDatetime, TypeTimestamp:
		return p.clock(kind, content)
	}
	p.text = append(p.text, `"base64:type`...)
	p.text = strconv.AppendUint(p.text, uint64(kind), 10)
	p.text = append(p.text, ':')
	for line := range slices.Chunk(content, base64Line) {
		if &line[0] != &content[0] {
			p.text = append(p.text, '\\', 'n')
		}
		p.text = base64.StdEncoding.AppendEncode(p.text, line)
	}
	p.text = append(p.text, '"')
	return nil
}

// clock prints a time: in a number of eight bytes, the microseconds are the lower three.
func (p *jsonPrinter) clock(kind byte, content []byte) error {
	if len(content) != 8 {
		return errJSON
	}
	n := int64(little(content))
	negative := n < 0
	if negative {
		n = -n
	}
	if n < 0 {
		return errJSON
	}
	microsecond := uint64(n) & 0xffffff
	at := packedDatetime(uint64(n)>>24, microsecond)
	if kind == TypeTime {
		at = packedTime(uint64(n)>>24, microsecond)
	}
	if at.negative = negative; !at.valid() {
		return errJSON
	}
	p.text = append(p.text, '"')
	if at.negative {
		p.text = append(p.text, '-')
	}
	if kind != TypeTime {
		p.text = at.appendDate(p.text)
	}
	if kind == TypeDatetime || kind == TypeTimestamp {
		p.text = append(p.text, ' ')
	}
	if kind != TypeDate {
		p.text = at.appendFraction(at.appendTime(p.text), 6, true)
	}
	p.text = append(p.text, '"')
	return nil
}

// appendJSONString appends a string with the escapes that the server uses.
func appendJSONString(text, content []byte) []byte {
	const hexadecimal = "0123456789abcdef"
	text = append(text, '"')
	plain := 0
	for i, c := range content {
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		text = append(text, content[plain:i]...)
		plain = i + 1
		switch c {
		case '"', '\\':
			text = append(text, '\\', c)
		case '\b':
			text = append(text, '\\', 'b')
		case '\f':
			text = append(text, '\\', 'f')
		case '\n':
			text = append(text, '\\', 'n')
		case '\r':
			text = append(text, '\\', 'r')
		case '\t':
			text = append(text, '\\', 't')
		default:
			text = append(text, '\\', 'u', '0', '0', hexadecimal[c>>4], hexadecimal[c&15])
		}
	}
	text = append(text, content[plain:]...)
	return append(text, '"')
}
