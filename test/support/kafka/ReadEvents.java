import java.io.File;
import java.nio.ByteBuffer;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.message.BinaryMessageDecoder;

/** Prints each correlated event as JSON, ids in hex: `java ReadEvents.java <events.avsc> single_object|confluent <base64>…`. */
public class ReadEvents {
  public static void main(String[] args) throws Exception {
    var schema = new Schema.Parser().parse(new File(args[0]));
    var single = new BinaryMessageDecoder<GenericRecord>(GenericData.get(), schema);
    for (int i = 2; i < args.length; i++) {
      var bytes = Base64.getDecoder().decode(args[i]);
      GenericRecord event;
      if (args[1].equals("confluent")) {
        if (bytes[0] != 0) throw new IllegalArgumentException("no magic byte");
        var decoder = DecoderFactory.get().binaryDecoder(bytes, 5, bytes.length - 5, null);
        event = new GenericDatumReader<GenericRecord>(schema).read(null, decoder);
        if (!decoder.isEnd()) throw new IllegalArgumentException("bytes are left");
      } else event = single.decode(bytes);
      System.out.println(json(event));
    }
  }

  static String json(Object value) {
    if (value instanceof GenericRecord record)
      return record.getSchema().getFields().stream()
          .map(field -> "\"" + field.name() + "\":" + json(record.get(field.pos())))
          .collect(Collectors.joining(",", "{", "}"));
    if (value instanceof List<?> list) return list.stream().map(ReadEvents::json).collect(Collectors.joining(",", "[", "]"));
    if (value instanceof ByteBuffer buffer) {
      var bytes = new byte[buffer.remaining()];
      buffer.duplicate().get(bytes);
      return "\"" + HexFormat.of().formatHex(bytes) + "\"";
    }
    if (value instanceof CharSequence) return "\"" + value.toString().replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    return String.valueOf(value);
  }
}
