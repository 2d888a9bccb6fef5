package binlog_test

// application is how a session differs from what cdcsync's own sessions have as an application's may.
var application = []string{"time_zone = '+05:30'", "sql_mode = 'NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES'"}

// tortureTable has the types that both servers have.
const tortureTable = `CREATE TABLE ty(
 id int primary key,
 ti tinyint, tu tinyint unsigned, si smallint, su smallint unsigned, mi mediumint, mu mediumint unsigned, ii int, iu int unsigned,
 bi bigint, bu bigint unsigned, bo bool, zf int(8) unsigned zerofill,
 gv int as (ii + 1) virtual,
 de decimal(65,30), d2 decimal(10,0), d3 decimal(30,30), d4 decimal(12,2) unsigned zerofill, d5 decimal(27,18), d6 decimal(9,9), f float, d double, fu float unsigned, dd double(10,3),
 b1 bit(1), b9 bit(9), b64 bit(64), y year,
 da date, t0 time, t1 time(1), t2 time(2), t3 time(3), t4 time(4), t5 time(5), t6 time(6),
 dt datetime, dt1 datetime(1), dt2 datetime(2), dt3 datetime(3), dt4 datetime(4), dt5 datetime(5), dt6 datetime(6),
 ts timestamp null, ts1 timestamp(1) null, ts2 timestamp(2) null, ts3 timestamp(3) null, ts4 timestamp(4) null, ts5 timestamp(5) null, ts6 timestamp(6) null,
 c char(10), cw char(200), vc varchar(300), vs varchar(20), bin binary(8), bw binary(255), vb varbinary(300), tt tinytext, tx text, mt mediumtext, lt longtext, tb tinyblob, bl blob, lb longblob,
 cl char(10) character set latin1, vl varchar(50) character set latin1, tl text character set latin1, vg varchar(50) character set gbk, cu varchar(20) character set utf8mb3,
 u16 varchar(20) character set utf16, c16 char(20) character set utf16, u32 varchar(20) character set utf32, asc_ varchar(20) character set ascii, cb varchar(10) character set utf8mb4 collate utf8mb4_bin,
 sj varchar(20) character set sjis, k8 varchar(20) character set koi8r,
 e enum('a','b''x','ü','with\\slash'), el enum('é','n') character set latin1, eb enum(MANY), s set('r','g','b'), s64 set(SIXTYFOUR),
 j json, g geometry, p point, gs int as (ii * 2) stored, inv int invisible default 5,
 cn varchar(20) not null default 'x'
) character set utf8mb4`

// tortureRows are the values that are the same to write on both servers.
var tortureRows = []string{
	`insert into ty(id,ti,tu,si,su,mi,mu,ii,iu,bi,bu,bo,zf,de,d2,d3,d4,d5,d6,f,d,fu,dd,b1,b9,b64,y) values
 (1,-128,255,-32768,65535,-8388608,16777215,-2147483648,4294967295,-9223372036854775808,18446744073709551615,1,42,
 -12345678901234567890123456789012345.123456789012345678901234567890,-9999999999,0.000000000000000000000000000001,12.3,-123456789.000000001000000002,-0.000000001,
 3.4028235e38,-1.7976931348623157e308,0.1,1.005,b'1',b'101010101',b'1111111111111111111111111111111111111111111111111111111111111111',1901),
 (2,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0),
 (3,127,128,32767,32768,8388607,8388608,2147483647,2147483648,9223372036854775807,9223372036854775808,0,12345678,
 99999999999999999999999999999999999.999999999999999999999999999999,9999999999,-0.999999999999999999999999999999,9999999999.99,999999999.999999999999999999,0.999999999,
 16777215,-0e0,16777216,1234567.891,0,1,1,2155),
 (4,-1,1,-1,1,-1,1,-2,1,-1,1,0,1,-0.5,-1,-0.5,0.5,-0.5,-0.5,-0e0,5e-324,1.17549435e-38,-0.001,1,256,9223372036854775808,'0000'),
 (5,1,1,1,1,1,1,1,1,1,1,1,1,1000000000,1000000000,0.1,1000000000,100000000,0.1,0.1234567,0.1,1e-45,1e6,1,255,255,1970)`,
	`insert into ty(id,da,t0,t1,t2,t3,t4,t5,t6,dt,dt1,dt2,dt3,dt4,dt5,dt6,ts,ts1,ts2,ts3,ts4,ts5,ts6) values
 (10,'1000-01-01','-838:59:59','-838:59:58.9','-838:59:58.99','-838:59:58.999','-838:59:58.9999','-838:59:58.99999','-838:59:59.000000',
 '9999-12-31 23:59:59','9999-12-31 23:59:59.9','9999-12-31 23:59:59.99','9999-12-31 23:59:59.999','9999-12-31 23:59:59.9999','9999-12-31 23:59:59.99999','9999-12-31 23:59:59.999999',
 '2038-01-19 08:44:07','2038-01-19 08:44:07.9','2038-01-19 08:44:07.99','2038-01-19 08:44:07.999','2038-01-19 08:44:07.9999','2038-01-19 08:44:07.99999','2038-01-19 08:44:07.999999'),
 (11,'0000-00-00','00:00:00','-00:00:00.1','-00:00:00.01','-00:00:00.001','-00:00:00.0001','-00:00:00.00001','-00:00:00.000001',
 '0000-00-00 00:00:00','0000-00-00 00:00:00','0000-00-00 00:00:00','0000-00-00 00:00:00','0000-00-00 00:00:00','0000-00-00 00:00:00','0000-00-00 00:00:00',
 0,0,0,0,0,0,'1970-01-01 05:30:01.000001'),
 (12,'2020-00-15','838:59:59','0:0:0.5','0:0:0.05','0:0:0.005','0:0:0.0005','0:0:0.00005','0:0:0.000005',
 '2020-02-31 01:02:03','2020-00-15 10:11:12.5','2020-00-00 10:11:12.05','1969-12-31 23:59:59.999','1000-01-01 00:00:00.0001','2019-02-30 01:02:03.00001','2020-00-15 10:11:12.5',
 '2024-03-10 02:30:00','2024-03-10 02:30:00.1','2024-03-10 02:30:00.01','2024-11-03 01:30:00.001','2024-11-03 01:30:00.0001','2024-11-03 01:30:00.00001','2024-11-03 01:30:00.5'),
 (13,'2020-02-31','-12:34:56','-12:34:56.7','-12:34:56.78','-12:34:56.789','-12:34:56.7891','-12:34:56.78912','-12:34:56.789123',
 '2024-02-29 12:34:56','2024-02-29 12:34:56.7','2024-02-29 12:34:56.70','2024-02-29 12:34:56.780','2024-02-29 12:34:56.7000','2024-02-29 12:34:56.78','2024-02-29 12:34:56.789123',
 '2024-02-29 12:34:56','2024-02-29 12:34:56.7','2024-02-29 12:34:56.78','2024-02-29 12:34:56.789','2024-02-29 12:34:56.7891','2024-02-29 12:34:56.78912','2024-02-29 12:34:56.789123')`,
	`insert into ty(id,c,cw,vc,vs,bin,bw,vb,tt,tx,mt,lt,tb,bl,lb,cl,vl,tl,vg,cu,u16,c16,u32,asc_,cb,sj,k8,e,el,eb,s,s64) values
 (20,'ab  ','wide  ','trail   ','',x'0102000000000000',x'0100',x'00ff275c00','ü€😀','text😀',"a\0b\n",repeat('long',17000),x'00',x'00ff',x'00','café','naïve €ÿ','€’','汉字','ü€','ü€😀','ü€😀','ü€😀','ascii','x ','漢字','Привет','b''x','é','m999','r,b',SIXTYFOURALL),
 (21,'','','','x','',x'','','','','','','','','','','','','','','','','','','','','','','','','',''),
 (22,'x',repeat('€',200),repeat('x',300),'y',x'2020202020202020',repeat('z',255),repeat(x'ff',300),repeat('t',255),repeat('x',300),'m','l','b',repeat('b',70000),repeat(x'00',100),_latin1 x'81',_latin1 x'81208d','t','abc',_utf8mb3 'é','a','a','a','a','a','\\~','k','ü','n','m1','g','m63'),
 (23,'0','0','0','0','0','0','0','0','0','0','0','0','0','0','0','0','0','0','0','0','0','0','0','0','0','0','with\\slash',1,300,7,9223372036854775809)`,
	`insert into ty(id,cn) values (30,'not null')`,
	`insert into ty(id,e,el,vc) values (31,'nonsense',0,'of no member')`,
	`insert into ty(id,g,p) values (40,st_geomfromtext('POLYGON((0 0,1 0,1 1,0 0))',4326),st_geomfromtext('POINT(1 2)')),
 (41,st_geomfromtext('GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))'),st_geomfromtext('POINT(-1 1e300)'))`,
	`insert into ty(id,j,inv) values (50,'{"a":[1,2.0,1e100,"ü😀",null,true,18446744073709551615,-1],"z":{"y":{}}}',6),(51,'null',6),(52,'"str"',6),(53,'[]',6),(54,'{}',6),
 (55,'{"p":1.5,"big":123456789012345678901234567890,"e":1e2,"n":-0.0,"dup":1,"dup":2,"":3,"i":10,"s":"a\\u0000b\\/\\u2028<>&\\u001f\\u007f\\b\\f\\n\\r\\t\\"\\\\"}',6)`,
	`update ty set ii = ii + 1, vc = concat(vc, 'ü'), ts6 = '2024-05-06 07:08:09.5', de = -de where id in (1,3,10,20,22)`,
	`update ty set id = id + 1000, gs = default where id in (2, 21)`,
	`delete from ty where id = 41`,
}
