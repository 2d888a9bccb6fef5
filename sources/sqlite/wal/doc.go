// Package wal reads the changes of rows out of the pages of a SQLite database, without any
// help of the database: from the write-ahead log, or from two copies of its pages.
//
// A commit is a set of pages, each as it was before and as it is after. [Tracker] knows of
// every page which table it belongs to and which page is above it, so it finds the rows that
// a commit changed by looking only at the pages that it changed:
//
//   - where the pages above the leaves did not change, the changed leaves are all there is;
//   - where they did, both trees are walked from their roots, past everything that did not
//     change ([delta]), which gives the leaves that changed, left and joined;
//   - a page of an overflow chain that changed in place brings in the leaf of its cell.
//
// The cells of those leaves, before and after, are merged in the order of their keys, and
// what is not the same is a changed row. Whatever does not fit (a page of another kind than
// it has to be, a key that is there twice, a chain that is too short) is an error, never a
// guess: the caller then compares all pages.
//
// Nothing here trusts a byte: every offset and length is checked, every walk is bounded.
package wal
