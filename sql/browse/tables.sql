-- The tables of the index, made where they are missing. `no` is the number that the full-text index knows a row by,
-- `key` the first 64 bits of its id, by which rows are ordered and joined.
create table if not exists parts (part varchar, signature varchar);

create table if not exists tasks (
    no bigint, key ubigint, part varchar, id varchar, function_id varchar, source varchar, direction varchar,
    turns bigint, first_status varchar, last_status varchar, response_status varchar, model varchar, tokens bigint,
    is_right boolean, pass_rate double, flaws varchar [], license varchar, path varchar, title varchar,
    pair_index bigint
);

create table if not exists functions (
    no bigint, key ubigint, part varchar, id varchar, file_id varchar, source varchar, path varchar, license varchar,
    repository varchar, model varchar, attempt bigint, code_lines bigint, pairs bigint, pass_rate double,
    title varchar, fate varchar
);

create table if not exists files (
    no bigint, key ubigint, part varchar, id varchar, source varchar, path varchar, license varchar,
    repository varchar, size_bytes bigint, title varchar, fate varchar
);

create table if not exists rejections (
    no bigint, key ubigint, part varchar, step varchar, kind varchar, item_id varchar, source varchar,
    reason varchar, detail varchar
);

create table if not exists members (part varchar, key ubigint, recipe varchar, split varchar);

create table if not exists marked (
    key ubigint, item_id varchar, kind varchar, decision varchar, is_flagged boolean, notes bigint
);

-- How many rows of a partition have each value of a facet, so that a list that is not narrowed is counted at once.
create table if not exists counted (part varchar, list varchar, facet varchar, value varchar, n bigint);

create table if not exists numbering (next bigint);
