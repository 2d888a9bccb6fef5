package mysql

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdcsync/cdcsync/sources/mysql/binlog"
)

// replica is who asks a server for its log, as replicas do.
type replica struct {
	id      uint32
	user    string
	mariadb bool
}

// plain takes back what a server may have set for all sessions and what hinders even the few statements
// that begin the reading of a log.
const plain = "SET sql_mode = '', sql_select_limit = 18446744073709551615, sql_big_selects = 1, autocommit = 1, completion_type = 0, " +
	"net_write_timeout = 600 /*M!100100 , max_statement_time = 0 */ /*!80000 , max_execution_time = 0 */"

// follow has the server send its log from a place on, on a connection that does nothing else from then on.
func (r replica) follow(c *client.Conn, from *place) error {
	var uuid [16]byte
	_, _ = rand.Read(uuid[:]) // it never fails
	statements := []string{
		plain,
		// Events come without checksums: the connection has its own.
		"SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE'",
		fmt.Sprintf("SET @master_heartbeat_period = %d, @source_heartbeat_period = %[1]d", heartbeat.Nanoseconds()),
		fmt.Sprintf("SET @slave_uuid = '%s', @replica_uuid = @slave_uuid", binlog.AppendUUID(nil, uuid)),
	}
	if r.mariadb {
		statements = append(statements, "SET @mariadb_slave_capability = 4") // it knows GTIDs
	}
	for _, sql := range statements {
		if _, err := c.Execute(sql); err != nil {
			return err
		}
	}
	if err := r.register(c); err != nil {
		return err
	}
	return r.ask(c, from)
}

// command is what a packet begins with, behind room for its own header.
func command(number byte) []byte { return []byte{0, 0, 0, 0, number} }

// register makes itself known.
func (r replica) register(c *client.Conn) error {
	b := binary.LittleEndian.AppendUint32(command(gomysql.COM_REGISTER_SLAVE), r.id)
	for _, text := range []string{"cdcsync", r.user, ""} { // host, user, password, as SHOW REPLICAS has them
		text = text[:min(len(text), 255)]
		b = append(append(b, byte(len(text))), text...)
	}
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) // port, rank, id of its source
	c.ResetSequence()
	if err := c.WritePacket(b); err != nil {
		return err
	}
	_, err := c.ReadOKPacket()
	return err
}

// ask asks for the log.
func (r replica) ask(c *client.Conn, from *place) error {
	if from.set == nil {
		if from.offset > 1<<32-1 {
			return fmt.Errorf("file %s of the log is longer than the protocol can tell", from.file)
		}
		return r.dump(c, from.file, max(uint32(from.offset), 4))
	}
	if r.mariadb {
		set, err := gomysql.ParseGTIDSet(gomysql.MariaDBFlavor, from.set.String())
		if err != nil {
			return err
		}
		for _, sql := range []string{"SET @slave_connect_state = '" + set.String() + "'", "SET @slave_gtid_strict_mode = 1"} {
			if _, err := c.Execute(sql); err != nil {
				return err
			}
		}
		return r.dump(c, "", 0)
	}
	set, err := gomysql.ParseGTIDSet(gomysql.MySQLFlavor, from.set.String())
	if err != nil {
		return err
	}
	b := append(command(gomysql.COM_BINLOG_DUMP_GTID), 0, 0) // flags
	b = binary.LittleEndian.AppendUint32(b, r.id)
	b = binary.LittleEndian.AppendUint32(b, 0) // no file
	b = binary.LittleEndian.AppendUint64(b, 4)
	encoded := set.Encode()
	b = binary.LittleEndian.AppendUint32(b, uint32(len(encoded)))
	c.ResetSequence()
	return c.WritePacket(append(b, encoded...))
}

// dump asks for the log from a place in a file on.
func (r replica) dump(c *client.Conn, file string, offset uint32) error {
	b := binary.LittleEndian.AppendUint32(command(gomysql.COM_BINLOG_DUMP), offset)
	b = append(b, 0, 0) // flags
	b = binary.LittleEndian.AppendUint32(b, r.id)
	c.ResetSequence()
	return c.WritePacket(append(b, file...))
}
