package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The schemas in testdata/schemas are of two shops, each in two styles, as people have who move
// from an old system to a new one: music (a shop that sells it) and rental (one that rents
// films). Both styles have the same tables with the same columns in the same order, so one
// generator makes rows for both.

// shopSchema returns the statements that make the tables of a shop in a style, "old" or "new",
// for an engine.
func shopSchema(t testing.TB, shop, style, engine string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "schemas", shop+"_"+style+"."+engine+".sql"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// shopTables are the tables of a shop in both styles, old and new, parents first.
var shopTables = map[string][][2]string{
	"music": {
		{"tblGenre", "genres"}, {"tblArtist", "artists"}, {"tblAlbum", "albums"}, {"tblTrack", "tracks"}, {"tblCust", "customers"}, {"tblInvoice", "invoices"},
		{"tblInvoiceLine", "invoice_lines"}, {"tblPlaylist", "playlists"}, {"tblPlaylistTrack", "playlist_tracks"},
	},
	"rental": {
		{"category", `"Categories"`}, {"actor", `"Actors"`}, {"film", `"Films"`}, {"film_actor", `"FilmActors"`}, {"film_category", `"FilmCategories"`},
		{"customer", `"Customers"`}, {"inventory", `"Inventories"`}, {"rental", `"Rentals"`}, {"payment", `"Payments"`},
	},
}

// shopRows returns statements that insert n rows into each table of a shop in a style. The rows
// are the same in both styles; zone is what is behind a time of the day, "" or "Z".
func shopRows(shop, style, zone string, n int) string {
	column := map[string]int{"old": 0, "new": 1}[style]
	var b strings.Builder
	b.WriteString("BEGIN;\n")
	for _, names := range shopTables[shop] {
		for i := 1; i <= n; i++ {
			fmt.Fprintf(&b, "INSERT INTO %s VALUES (%s);\n", names[column], strings.Join(shopRow(names[0], zone, i, n), ", "))
		}
	}
	b.WriteString("COMMIT;\n")
	return b.String()
}

// shopRow returns the values of row i of n of a table, called as in the old style, as SQL. Every
// other row has NULL where it may.
func shopRow(table, zone string, i, n int) []string {
	number, text := func(i int) string { return fmt.Sprint(i) }, func(format string, args ...any) string { return "'" + fmt.Sprintf(format, args...) + "'" }
	parent := func(step int) string { return number((i*step)%n + 1) }
	maybe := func(v string) string {
		if i%2 == 0 {
			return "NULL"
		}
		return v
	}
	price := fmt.Sprintf("'%d.%02d'", i%90, i%100)
	clock := func(day int) string {
		return text("2024-%02d-%02d %02d:%02d:%02d%s", i%12+1, day%28+1, i%24, i%60, (i*7)%60, zone)
	}
	word := func(list ...string) string { return "'" + list[i%len(list)] + "'" }
	flag := []string{"FALSE", "TRUE"}[i%2]
	switch table {
	case "tblGenre", "category", "tblPlaylist", "tblArtist":
		return []string{number(i), text("Näme %d €", i)}
	case "actor":
		return []string{number(i), text("First %d", i), text("O''Last %d", i)}
	case "tblAlbum":
		return []string{number(i), text("Album %d", i), parent(3), maybe(text("19%02d-02-28", i%100))}
	case "tblTrack":
		return []string{number(i), text("Track %d", i), maybe(parent(5)), maybe(parent(7)), maybe(text("Composer %d", i)), number(1000 * i), price}
	case "tblCust":
		return []string{number(i), text("Åsa %d", i), text("Björk"), text("c%d@example.org", i), maybe(text("+49 30 %06d", i)), maybe(word("DE", "FR", "日本")), word("active", "blocked"), flag}
	case "tblInvoice":
		return []string{number(i), parent(3), clock(i), price, maybe(text("line 1\nline 2 \\ %d", i))}
	case "tblInvoiceLine":
		return []string{parent(1), "1", parent(5), number(i % 5), price}
	case "tblPlaylistTrack", "film_actor", "film_category":
		return []string{number(i), parent(5)}
	case "film":
		return []string{number(i), text("Film %d", i), maybe(text("About %d", i)), maybe(number(1950 + i%70)), price, maybe(number(60 + i%90)), word("G", "PG", "R")}
	case "customer":
		return []string{number(i), text("First %d", i), text("Last %d", i), maybe(text("r%d@example.org", i)), flag, clock(i)}
	case "inventory":
		return []string{number(i), parent(3)}
	case "rental":
		return []string{number(i), parent(3), parent(5), clock(i), maybe(clock(i + 1))}
	case "payment":
		return []string{number(i), parent(3), maybe(parent(7)), price, clock(i)}
	}
	return nil
}
