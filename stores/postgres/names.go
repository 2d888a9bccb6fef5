package postgres

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// schema is where a link keeps what it needs.
const schema = "cdcsync"

// MessagePrefix is the prefix of logical messages that tag a transaction as a link's own.
// Their content is what [TagContent] returns.
const MessagePrefix = "cdcsync"

// TagContent is the content of the message that tags batch apply of link.
func TagContent(link string, apply uint64) string { return fmt.Sprintf("%d %s", apply, link) }

// ParseTag reads what TagContent wrote; ok is false for anything else.
func ParseTag(content string) (link string, apply uint64, ok bool) {
	number, link, ok := strings.Cut(content, " ")
	apply, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil || apply == 0 {
		return "", 0, false
	}
	return link, apply, true
}

// Publication returns the name of a link's publication.
func Publication(link string) string { return fit("cdcsync_"+link, link) }

// Slot returns the name of a link's replication slot and of its replication origin, both of
// which belong to the server and not to one of its databases.
func Slot(link, database string) string {
	plain := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}
	name := "cdcsync_" + link + "_" + database
	safe := strings.Map(plain, strings.ToLower(name))
	whole := link + "\x00" + database
	if safe == name && strings.Count(name, "_") == 2 { // it can be taken apart again
		return fit(name, whole)
	}
	return fit(safe+"_"+digest(whole), whole)
}

// nameMost is NAMEDATALEN - 1.
const nameMost = 63

// fit cuts a name that is too long for the server and makes it distinct again.
func fit(name, whole string) string {
	if len(name) <= nameMost {
		return name
	}
	return name[:nameMost-9] + "_" + digest(whole)
}

func digest(text string) string {
	h := fnv.New32a()
	h.Write([]byte(text))
	return fmt.Sprintf("%08x", h.Sum32())
}
