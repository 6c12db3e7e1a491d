-- Work for SQLite in memory: rows made, indexed, joined, aggregated, updated. Prints a checksum.
create table item (id integer primary key, kind integer, price integer, name text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 60000)
insert into item select i, i * 7919 % 1000, i * 104729 % 10007, printf('item %x', i * 31) from n;
create index by_kind on item (kind, price);
create table kind (id integer primary key, name text);
insert into kind select distinct kind, 'kind ' || kind from item;
update item set price = price + 1 where kind % 3 = 0;
delete from item where price % 97 = 5;
select count(*), sum(price), max(name) from item where name like '%a_';
select sum(total * nr) from (select k.name, sum(i.price) as total, count(*) as nr from item i join kind k on k.id = i.kind group by k.name);
select sum(length(a.name) * b.price) from item a join item b on a.kind = b.kind and b.price between a.price and a.price + 20;
