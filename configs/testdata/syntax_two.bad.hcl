store "a" {
  engine == "sqlite"
}

link "l" {
  left = store.
}
