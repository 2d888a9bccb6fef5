package binlog

// Types of events, as the logs number them.
const (
	typeStartV3            = 1
	typeQuery              = 2
	typeStop               = 3
	typeRotate             = 4
	typeIntvar             = 5
	typeLoad               = 6
	typeSlave              = 7
	typeCreateFile         = 8
	typeAppendBlock        = 9
	typeExecLoad           = 10
	typeDeleteFile         = 11
	typeNewLoad            = 12
	typeRand               = 13
	typeUserVar            = 14
	typeFormat             = 15
	typeXID                = 16
	typeBeginLoadQuery     = 17
	typeExecuteLoadQuery   = 18
	typeTableMap           = 19
	typeWriteRowsV1        = 23
	typeUpdateRowsV1       = 24
	typeDeleteRowsV1       = 25
	typeIncident           = 26
	typeHeartbeat          = 27
	typeIgnorable          = 28
	typeRowsQuery          = 29
	typeWriteRows          = 30
	typeUpdateRows         = 31
	typeDeleteRows         = 32
	typeGTID               = 33
	typeAnonymousGTID      = 34
	typePreviousGTIDs      = 35
	typeTransactionContext = 36
	typeViewChange         = 37
	typeXAPrepare          = 38
	typePartialUpdateRows  = 39
	typeTransactionPayload = 40
	typeHeartbeatV2        = 41
	typeGTIDTagged         = 42

	typeMariaAnnotate               = 160
	typeMariaCheckpoint             = 161
	typeMariaGTID                   = 162
	typeMariaGTIDList               = 163
	typeMariaStartEncryption        = 164
	typeMariaQueryCompressed        = 165
	typeMariaWriteRowsCompressedV1  = 166
	typeMariaUpdateRowsCompressedV1 = 167
	typeMariaDeleteRowsCompressedV1 = 168
	typeMariaWriteRowsCompressed    = 169
	typeMariaUpdateRowsCompressed   = 170
	typeMariaDeleteRowsCompressed   = 171
)

// rowsType is what a type of rows says.
type rowsType struct {
	action     Action
	version    int
	compressed bool
}

// rowsTypeOf returns what the type of an event of rows says; no action for other types.
func rowsTypeOf(t byte) rowsType {
	switch t {
	case typeWriteRowsV1, typeUpdateRowsV1, typeDeleteRowsV1:
		return rowsType{Action(t-typeWriteRowsV1) + Insert, 1, false}
	case typeWriteRows, typeUpdateRows, typeDeleteRows:
		return rowsType{Action(t-typeWriteRows) + Insert, 2, false}
	case typeMariaWriteRowsCompressedV1, typeMariaUpdateRowsCompressedV1, typeMariaDeleteRowsCompressedV1:
		return rowsType{Action(t-typeMariaWriteRowsCompressedV1) + Insert, 1, true}
	case typeMariaWriteRowsCompressed, typeMariaUpdateRowsCompressed, typeMariaDeleteRowsCompressed:
		return rowsType{Action(t-typeMariaWriteRowsCompressed) + Insert, 2, true}
	}
	return rowsType{}
}
