import type { Case } from './case.ts';

const why = 'newer than the builders at hand (Dockerfile 1.4)';
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export const HEREDOC: readonly Case[] = [
  {
    name: 'RUN <<EOF runs its lines in the shell, which expands and does not stop at errors',
    judge: 'hand',
    why,
    dockerfile: `
      FROM alpine
      ENV A=env
      RUN <<EOF
      x=1
      false
      echo "$A $x" > /out
      EOF`,
    expect: {
      changes: { out: 'file 644 0:0 "env 1\\n"' },
      config: { Env: [PATH, 'A=env'] },
      history: 2,
    },
  },
  {
    name: 'the last line of RUN <<EOF decides whether it failed',
    judge: 'hand',
    why,
    dockerfile: `
      FROM alpine
      RUN <<EOF
      true
      exit 7
      EOF`,
    refuses: /\b7\b/,
  },
  {
    name: 'RUN with a command before its here-document gives it as input',
    judge: 'hand',
    why,
    dockerfile: `
      FROM alpine
      ENV A=env
      RUN cat > /expanded <<EOF
      $A \\$A \${B:-b}
      EOF
      RUN cat > /literal <<"EOF"
      $A \\$A
      EOF
      RUN cat <<'EOF' > /single
      $A
      EOF`,
    expect: {
      changes: {
        expanded: 'file 644 0:0 "env $A b\\n"',
        literal: 'file 644 0:0 "$A \\\\$A\\n"',
        single: 'file 644 0:0 "$A\\n"',
      },
      config: { Env: [PATH, 'A=env'] },
    },
  },
  {
    name: 'RUN <<EOF that begins with a shebang runs as a script',
    judge: 'hand',
    why,
    dockerfile: `
      FROM alpine
      RUN <<EOF
      #!/usr/bin/awk -f
      BEGIN { print "awk " 6 * 7 > "/out" }
      EOF`,
    expect: { changes: { out: 'file 644 0:0 "awk 42\\n"' } },
  },
  {
    name: '<<- takes leading tabs away, and no blanks',
    judge: 'hand',
    why,
    dockerfile:
      'FROM alpine\nRUN cat > /out <<-EOF\n\t\tone\n\t two\n  three\n\tEOF\nCOPY <<-"END" /copied\n\ttab\n\tEND\n',
    expect: {
      changes: { out: 'file 644 0:0 "one\\n two\\n  three\\n"', copied: 'file 644 0:0 "tab\\n"' },
    },
  },
  {
    name: 'several here-documents on a line, and numbers before them',
    judge: 'hand',
    why,
    dockerfile: `
      FROM alpine
      RUN cat /dev/fd/3 /dev/fd/4 > /out 3<<ONE 4<<"TWO"
      first
      ONE
      second $X
      TWO
      RUN cat <<A && cat <<B > /b
      a
      A
      b
      B`,
    expect: {
      changes: { out: 'file 644 0:0 "first\\nsecond $X\\n"', b: 'file 644 0:0 "b\\n"' },
    },
  },
  {
    name: 'COPY of here-documents: names, modes, owners, variables of the build',
    judge: 'hand',
    why,
    dockerfile: `
      FROM users
      ARG A=arg
      ENV E=env
      COPY <<EOF /file
      $A \${E} \\$E $UNSET|
      EOF
      COPY <<"EOF" /literal
      $A
      EOF
      COPY --chmod=700 --chown=app <<one.sh <<two.txt /folder/
      #!/bin/sh
      one.sh
      2
      two.txt
      COPY <<EMPTY /empty
      EMPTY`,
    expect: {
      base: 'users',
      changes: {
        empty: 'file 644 0:0 ""',
        file: 'file 644 0:0 "arg env $E |\\n"',
        folder: 'dir 700 1234:2345',
        'folder/one.sh': 'file 700 1234:2345 "#!/bin/sh\\n"',
        'folder/two.txt': 'file 700 1234:2345 "2\\n"',
        literal: 'file 644 0:0 "$A\\n"',
      },
      config: { Env: [PATH, 'E=env'] },
    },
  },
  {
    name: 'COPY and ADD of a here-document beside files',
    files: { f: 'f' },
    judge: 'hand',
    why,
    dockerfile: `
      FROM alpine
      COPY f <<EOF /out/
      text
      EOF
      ADD <<"EOF" /added
      # not a comment

      FROM nowhere \\
      EOF`,
    expect: {
      changes: {
        added: 'file 644 0:0 "# not a comment\\n\\nFROM nowhere \\\\\\n"',
        out: 'dir 755 0:0',
        'out/EOF': 'file 644 0:0 "text\\n"',
        'out/f': 'file 644 0:0 "f"',
      },
    },
  },
  {
    name: 'a here-document of RUN in another shell',
    judge: 'hand',
    why,
    dockerfile: `
      FROM alpine
      SHELL ["/bin/sh", "-ec"]
      RUN <<EOF
      echo 1 > /1
      false
      echo 2 > /2
      EOF`,
    refuses: /\b1\b/,
  },
  {
    name: 'a here-document that does not end is refused',
    judge: 'hand',
    why,
    dockerfile: `
      FROM alpine
      RUN <<EOF
      echo`,
    refuses: /EOF/,
  },
  {
    name: 'a here-document with lines of instructions, comments and continuations in it',
    judge: 'hand',
    why,
    dockerfile: `
      FROM alpine
      RUN <<'EOF'
      # a comment of the shell
      cat > /out <<INNER
      FROM x
      INNER
      echo a \\
        b >> /out
      EOF
      ENV AFTER=1`,
    expect: {
      changes: { out: 'file 644 0:0 "FROM x\\na b\\n"' },
      config: { Env: [PATH, 'AFTER=1'] },
      history: 2,
    },
  },
  {
    name: '<< in the middle of a word, quoted, or of a shell here-string is none',
    judge: ['buildkit', 'classic'],
    dockerfile: `
      FROM alpine
      RUN echo $((1<<4)) > /shift; echo "a << b" >> /shift`,
    expect: { changes: { shift: 'file 644 0:0 "16\\na << b\\n"' } },
  },
  {
    name: 'RUN <<EOF with a mount',
    judge: 'hand',
    why,
    dockerfile: `
      FROM alpine
      RUN --mount=type=tmpfs,target=/t <<EOF
      echo > /t/x
      echo > /y
      EOF`,
    expect: { changes: { y: 'file 644 0:0 "\\n"' } },
  },
];
