package binlog_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// insertAll inserts values in statements of many. What the server refuses is NULL: MariaDB does
// not take UUIDs that it could not tell from those that it keeps reversed.
func (s *site) insertAll(t *testing.T, table string, values []string) {
	t.Helper()
	for len(values) > 0 {
		n := min(len(values), 5000)
		s.do(t, "INSERT IGNORE INTO "+table+" VALUES "+strings.Join(values[:n], ","))
		values = values[n:]
	}
}

// TestAddresses writes UUIDs of every version and variant, and IPv6 addresses with zeros in
// every place, to MariaDB, which keeps and prints some of them in its own ways.
func TestAddresses(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var uuids, addresses []string
	for i := range 65536 {
		low, mid := random.Uint64(), random.Uint32()
		if i%7 == 0 {
			low &^= 0xffff // zeros at the end are not logged
		}
		uuids = append(uuids, fmt.Sprintf("(%d,'%08x-%04x-%02x%02x-%02x%02x-%012x')", i, mid, low>>48, i>>8, low>>40&255, i&255, low>>32&255, low&0xffffffffffff))
	}
	words := []string{"0", "1", "ffff"}
	for i := range 6561 {
		parts := make([]string, 8)
		for n, at := i, 0; at < len(parts); n, at = n/3, at+1 {
			parts[at] = words[n%3]
		}
		addresses = append(addresses, fmt.Sprintf("(%d,'%s','%d.%d.0.%d')", i, strings.Join(parts, ":"), i&255, i>>8, i%3))
	}
	onMariaDB(t, func(t *testing.T, s *site) {
		events := s.logged(t, func() {
			s.do(t, "CREATE TABLE u (id int PRIMARY KEY, u uuid)")
			s.do(t, "CREATE TABLE a (id int PRIMARY KEY, a inet6, b inet4)")
			s.insertAll(t, "u", uuids)
			s.insertAll(t, "a", addresses)
		})
		s.same(t, events)
	})
}

// TestJSONNumbers has MySQL print numbers of every size in JSON, and keep them.
func TestJSONNumbers(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var values []string
	add := func(number string) {
		values = append(values, fmt.Sprintf("(%d,json_array(cast('%s' as double), cast('-%s' as double)))", len(values), number, number))
	}
	for exponent := -323; exponent <= 308; exponent++ {
		add(fmt.Sprintf("1e%d", exponent))
		add(fmt.Sprintf("1.%de%d", random.Uint64N(1e9), exponent-1))
		add(fmt.Sprintf("1.%016de%d", random.Uint64N(1e16), exponent-1))
	}
	for range 3000 {
		add(fmt.Sprintf("%d.%de%d", random.Uint64N(10), random.Uint64N(1e17), random.IntN(50)-25))
	}
	onMySQL(t, func(t *testing.T, s *site) {
		events := s.logged(t, func() {
			s.do(t, "CREATE TABLE j (id int PRIMARY KEY, j json)")
			s.insertAll(t, "j", values)
		})
		s.same(t, events)
	})
}
