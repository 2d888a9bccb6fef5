// Package keymap stands between a link and stores that count the keys of their rows up by
// themselves, so that one row has another key in each. It gives the link stores in which every row
// is called by one key on both sides, its form key, and which translate foreign keys with it.
//
// A row keeps the key that it was born with as its form key: as it is if it was born in the left
// store, and as its negative if it was born in the right one. Where the link brings the row to the
// other store, a new key is drawn there from the store's own count, and is recorded there together
// with the form key, in the transaction that writes the row. So each store holds what is needed to
// read it, nothing has to agree across stores, and a key that is not recorded was born where it is.
//
// This needs that a store never gives out the same key twice. What is recorded stays when the row
// is deleted: a log may still tell of it.
package keymap
